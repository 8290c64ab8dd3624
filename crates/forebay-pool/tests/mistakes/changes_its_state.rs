//! The handler changes what it captured, though all workers share it: `handler_per_worker` makes one for each.

use forebay_pool::Pool;

fn main() {
    let mut seen = Vec::new();
    let _ = Pool::builder().queue(1).handler(move |n: u32| {
        seen.push(n);
        async {}
    });
}
