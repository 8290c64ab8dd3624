//! The handler returns something that nobody takes.

use forebay_pool::Pool;

fn main() {
    let _ = Pool::builder().queue(1).handler(async |n: u32| n + 1);
}
