//! One request, from its start in the journal to what is to be written of its end.

use std::sync::{Arc, OnceLock};

use forebay_program::fault;
use tokio::task::spawn_blocking;

use crate::first_send::FirstSend;
use crate::identity::Key;
use crate::input::Job;
use crate::journal::Record;
use crate::output::{Folder, Outcome, Unwritten, kind};
use crate::report::Named;
use crate::retry::is_idempotent;
use crate::room::Room;
use crate::scribe::{Pen, ScribeError};
use crate::unrecorded::Unrecorded;
use crate::{Body, Client, Failure, Reason, RedirectRefused, Request, Response, Store, redacted};

/// What all requests of a run share.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) pen: Pen,
    pub(crate) folder: Option<Arc<Folder>>,
    /// For bodies that become lines.
    pub(crate) room: Room,
}

/// How a request ended, and what stands in the way of all others.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) end: End,
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// How often it was refused, among these.
    pub(crate) refused: u32,
    /// It would have been sent again, had not too many others been.
    pub(crate) out_of_budget: bool,
    pub(crate) fatal: Option<Fatal>,
    pub(crate) papers: Papers,
}

/// What is to be written of a request that has ended.
#[derive(Debug, Default)]
pub(crate) struct Papers {
    pub(crate) result: Option<Unwritten>,
    /// A line of the journal; may be empty.
    pub(crate) record: Vec<u8>,
    /// Until the scribe has the record.
    pub(crate) unrecorded: Option<Unrecorded>,
    /// Has its part of the room until the line is written.
    _body: Option<Body>,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum End {
    Answered { status: u16, replaced: bool },
    Failed { kind: &'static str, why: String },
    NotStarted,
}

/// What no request of the run will get past.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    #[error(transparent)]
    Scribe(#[from] ScribeError),
    #[error("cannot keep the answer to {request}: {why}; mend that, and give the same command to go on")]
    Store { request: Named, why: String },
}

// === impl Desk ===

impl Desk {
    /// Sends the request, as often as it takes, and says what comes of it.
    /// `key` is there where there is a journal.
    pub(crate) async fn fetch(&self, job: &Arc<Job>, key: Option<Key>, mut request: Request) -> Ended {
        let unwritten = Arc::new(OnceLock::new());
        request.first_send = key.map(|key| self.start(job, key, &unwritten));
        if let Some(folder) = &self.folder {
            if let Err(error) = folder.admits(job) {
                return self.failed(job, key, &Failure::of(Reason::Store(error)));
            }
            request.store = Store::File(folder.parts().to_owned());
        }
        self.room.some().await;
        request.room = Some(self.room.clone());
        let answer = self.client.request(request).await;
        if let Some(error) = unwritten.get() {
            // Nothing was sent, and nothing else is written after this.
            let fatal = Some(Fatal::Scribe(ScribeError::clone(error)));
            return Ended { fatal, ..Ended::of(End::NotStarted) };
        }
        match answer {
            Ok(response) => self.answered(job, key, response).await,
            Err(failure) => self.failed(job, key, &failure),
        }
    }

    /// Its record, once its turn has come: what waits for that need not be told from what was sent, were the process killed.
    fn start(&self, job: &Job, key: Key, unwritten: &Arc<OnceLock<ScribeError>>) -> FirstSend {
        let id = job.id.as_deref().map(Into::into);
        let url = redacted(&job.url).into();
        let line = Record::Start { key, line: job.line, id, url }.line();
        let (pen, unwritten) = (self.pen.clone(), Arc::clone(unwritten));
        FirstSend::new(move || {
            let (pen, line, unwritten) = (pen.clone(), line.clone(), Arc::clone(&unwritten));
            Box::pin(async move {
                let written = pen.record_line(line).await;
                fault::point("after-start");
                written.map_err(|error| unwritten.set(error)).is_ok()
            })
        })
    }

    async fn answered(&self, job: &Arc<Job>, key: Option<Key>, mut response: Response) -> Ended {
        let unrecorded = response.unrecorded.take();
        let status = response.status.as_u16();
        let (attempts, refused, out_of_budget) =
            (response.attempts, response.refused, response.out_of_budget);
        let (response, placed) = match &self.folder {
            None => (response, None),
            Some(folder) => {
                let (folder, its_job) = (Arc::clone(folder), Arc::clone(job));
                let placing = spawn_blocking(move || {
                    let placed = folder.place(&its_job, response.status, &response.body);
                    (response, placed)
                });
                match placing.await.expect("placing does not panic") {
                    (response, Ok(placed)) => (response, Some(placed)),
                    (_, Err(error)) => {
                        let reason = Reason::Store(error);
                        let failure = Failure { attempts, refused, out_of_budget, ..Failure::of(reason) };
                        return self.failed(job, key, &failure);
                    }
                }
            }
        };
        let record = key.map(|key| Record::Answered { key, status }.line()).unwrap_or_default();
        let replaced = placed.as_ref().is_some_and(|placed| placed.replaced);
        let (result, body) = Unwritten::answered(job, response, placed.as_ref());
        let papers = Papers { result: Some(result), record, unrecorded, _body: body };
        Ended { attempts, refused, out_of_budget, papers, ..Ended::of(End::Answered { status, replaced }) }
    }

    fn failed(&self, job: &Job, key: Option<Key>, failure: &Failure) -> Ended {
        let is_last = |error| !self.folder.as_ref().is_some_and(|folder| folder.takes_others(error));
        match &failure.reason {
            Reason::Store(error) if is_last(error) => not_kept(job, key, failure),
            _ => failed(job, key, failure),
        }
    }
}

// === impl Ended ===

impl Ended {
    /// That, and nothing else is known.
    pub(crate) fn of(end: End) -> Self {
        let papers = Papers::default();
        Self { end, attempts: 0, refused: 0, out_of_budget: false, fatal: None, papers }
    }
}

fn failed(job: &Job, key: Option<Key>, failure: &Failure) -> Ended {
    let why = described(failure);
    let (attempts, refused) = (failure.attempts, failure.refused);
    let is_idempotent = is_idempotent(&job.method, &job.headers);
    let ended = if matches!(failure.reason, Reason::Closed)
        && (is_idempotent || attempts == refused + failure.unsent)
    {
        // Nobody has acted upon it, or somebody may do so again. So a stop between attempts leaves it as if it had not begun; and of one
        // that was not sent at all no record says that it was.
        let withdrawn =
            key.filter(|_| attempts > 0).map(|key| Record::Withdrawn { key }.line()).unwrap_or_default();
        let papers = Papers { record: withdrawn, ..Papers::default() };
        Ended { papers, ..Ended::of(End::NotStarted) }
    } else {
        let result = Outcome::failed(job, failure, &why).to_line();
        let done = !is_idempotent && attempts > refused && failure.reason.may_have_been_done();
        let failed = |key| Record::Failed { key, why: why.as_str().into(), done }.line();
        let record = key.map(failed).unwrap_or_default();
        let papers = Papers { result: Some(Unwritten::Line(result)), record, ..Papers::default() };
        Ended { papers, ..Ended::of(End::Failed { kind: kind(&failure.reason), why }) }
    };
    Ended { attempts, refused, out_of_budget: failure.out_of_budget, ..ended }
}

/// The answer is there, and no room for it, nor for any other: it has to be asked for again.
fn not_kept(job: &Job, key: Option<Key>, failure: &Failure) -> Ended {
    let why = described(failure);
    let done = !is_idempotent(&job.method, &job.headers);
    let failed = |key| Record::Failed { key, why: why.as_str().into(), done }.line();
    let record = key.map(failed).unwrap_or_default();
    let papers = Papers { record, ..Papers::default() };
    let fatal = Some(Fatal::Store { request: Named::of(job), why: why.clone() });
    let (attempts, refused, out_of_budget) = (failure.attempts, failure.refused, failure.out_of_budget);
    Ended { attempts, refused, out_of_budget, fatal, papers, ..Ended::of(End::Failed { kind: "store", why }) }
}

/// The failure with its first cause, unless it says that itself. What lies between is which layer told which.
fn described(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let causes = std::iter::successors(std::error::Error::source(&failure.reason), |cause| cause.source());
    if let Some(why) = causes.last().map(ToString::to_string).filter(|why| !text.contains(why)) {
        text = text + ": " + &why;
    }
    text += match failure.reason {
        Reason::Certificate { is_unknown: true, .. } => {
            "; if you trust whoever did, name that one's certificate with --cacert"
        }
        Reason::WaitTooLong { .. } => ", longer than --max-wait; give more, or run it again then",
        Reason::Timeout { .. } => "; give more with --timeout",
        Reason::TooLarge { .. } => "; give more with --max-body",
        Reason::HeadTooLarge => {
            "; have the server send less, or allow more headers in the library (Builder::connections)"
        }
        Reason::Redirect { why: RedirectRefused::Private, .. } => "; allow it with --allow-private",
        // Whichever file it was that could not be opened.
        _ if text.contains("(os error 24)") => {
            "; allow more by ulimit -n, or send fewer at once with --concurrency"
        }
        _ => "",
    };
    if failure.out_of_budget {
        text += "; not tried again, since too many others were";
    }
    text
}
