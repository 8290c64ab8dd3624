//! It is started without a handler.

use forebay_pool::Pool;

fn main() {
    let _ = Pool::builder().queue::<u32>(1).start();
}
