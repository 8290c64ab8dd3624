//! A stage returns what it made, and not a `Result`.

use forebay_pool::Pipeline;

fn main() {
    let _ = Pipeline::builder().queue(1).stage("double", async |n: u32| n * 2, |pool| pool);
}
