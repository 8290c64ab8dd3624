//! The handler holds across an await what must stay on its thread.

use std::rc::Rc;

use forebay_pool::Pool;

fn main() {
    let _ = Pool::builder().queue(1).handler(|n: u32| async move {
        let shared = Rc::new(n);
        tokio::task::yield_now().await;
        drop(shared);
    });
}
