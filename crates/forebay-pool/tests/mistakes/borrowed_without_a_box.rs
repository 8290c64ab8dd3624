//! The future of a handler that borrows its item is not boxed.

use forebay_pool::Pool;

fn main() {
    let _ = Pool::builder().queue::<u32>(1).handler_mut(|n| async move { *n += 1 });
}
