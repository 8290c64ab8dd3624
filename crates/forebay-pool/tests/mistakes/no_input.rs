//! There is a handler, and nothing that feeds it.

use forebay_pool::Pool;

fn main() {
    let _ = Pool::builder().handler(async |_: u32| ());
}
