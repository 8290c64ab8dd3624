//! Copies are to be kept of items that cannot be cloned.

use forebay_pool::Pool;

struct Job;

fn main() {
    let _ = Pool::builder().queue(1).handler(async |_: Job| ()).keep_copies();
}
