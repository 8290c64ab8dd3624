//! Dead letters are sent to a queue of bare items.

use forebay_pool::Pool;
use forebay_queue::bounded;

fn main() {
    let (letters, _reader) = bounded::<u32>(1);
    let _ = Pool::builder().queue(1).handler(async |_: u32| ()).keep_copies().dead_letters_to(letters);
}
