//! What a run has done, in a file that outlives it.
//!
//! One JSON object a line, appended:
//!
//! ```text
//! {"journal":"api-client","version":1}
//! {"run":{"unix_seconds":1790000000,"results":"/home/me/results.jsonl"}}
//! {"start":{"key":"3f…","line":17,"id":"a","url":"https://api.example/items?token=***"}}
//! {"answered":{"key":"3f…","status":200}}
//! {"failed":{"key":"3f…","why":"no answer within 30 s","done":true}}
//! {"withdrawn":{"key":"3f…"}}
//! {"reported":{}}
//! {"rate":{"host":"api.example","per_second":49.2}}
//! ```
//!
//! - **Order.** The `start` of a request is written when its turn to be sent has come, and it is sent after that is with the operating
//!   system; `answered` is written after its result is. So a process that is killed at any moment leaves at most requests that were
//!   in flight without their end, and these are named by the next run that comes to its end, and are sent again.
//! - **Results** stay where the first run put them: a run that would write them elsewhere is refused once there are answers.
//! - **`done`** is said of a failure after which the server may have acted, where that may not happen twice: the next run that sends
//!   the request again names it.
//! - **Power loss.** The result and then the journal are forced to the disk (`fsync`) at the end, and every second while
//!   results come. What is lost of the journal is requested again.
//! - **Secrets.** No header and no body is kept, and the URL as [`redacted`](crate::redacted()) shows it. The
//!   [`Key`] is a hash. The file is for its owner only.
//! - **A last line that is cut off** was being written when the process ended: it is removed. Anything else that is wrong is an
//!   error with its line.
//! - **Length.** About 250 bytes are added for each request, of which the next run needs 70. When it begins, and more than half of the
//!   file is of no use any more, the rest takes its place.
//! - **One run at a time**: the file is locked, and a second run is refused.

mod file;
mod past;
mod record;
mod shorten;

pub use file::{Journal, JournalError};
pub use past::{Past, Unfinished};
pub(crate) use record::Record;

use crate::identity::Key;
