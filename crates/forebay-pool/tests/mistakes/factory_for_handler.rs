//! A handler is given where one is to be made for each worker.

use forebay_pool::Pool;

fn main() {
    let _ = Pool::builder().queue::<u32>(1).handler_per_worker(|_worker| async {});
}
