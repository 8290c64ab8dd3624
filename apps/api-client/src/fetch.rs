//! One request, from its start in the journal to its end there.

use std::sync::{Arc, OnceLock};

use forebay_program::fault;
use tokio::task::spawn_blocking;

use crate::first_send::FirstSend;
use crate::input::Job;
use crate::journal::Record;
use crate::output::{Folder, Outcome, kind};
use crate::report::Named;
use crate::room::Room;
use crate::scribe::{Pen, ScribeError};
use crate::{Client, Failure, Reason, Request, Response, Store, redacted};

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
    pub(crate) fatal: Option<Fatal>,
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
    /// Sends the request, as often as it takes, and writes down what comes of it.
    pub(crate) async fn fetch(&self, job: &Job, mut request: Request) -> Ended {
        let unwritten = Arc::new(OnceLock::new());
        if self.pen.has_journal() {
            request.first_send = Some(self.start(job, &unwritten));
        }
        if let Some(folder) = &self.folder {
            request.store = Store::File(folder.parts().to_owned());
        }
        self.room.some().await;
        request.room = Some(self.room.clone());
        let answer = self.client.request(request).await;
        if let Some(error) = unwritten.get() {
            // Nothing was sent, and nothing else is written after this.
            let fatal = Some(Fatal::Scribe(ScribeError::clone(error)));
            return Ended { end: End::NotStarted, attempts: 0, refused: 0, fatal };
        }
        let (attempts, refused, (end, fatal)) = match answer {
            Ok(response) => (response.attempts, response.refused, self.answered(job, response).await),
            Err(failure) => (failure.attempts, failure.refused, self.failed(job, &failure).await),
        };
        Ended { end, attempts, refused, fatal }
    }

    /// Its record, once its turn has come: what waits for that need not be told from what was sent, were the process killed.
    fn start(&self, job: &Job, unwritten: &Arc<OnceLock<ScribeError>>) -> FirstSend {
        let id = job.id.as_deref().map(Into::into);
        let url = redacted(&job.url).into();
        let line = Record::Start { key: job.key(), line: job.line, id, url }.line();
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

    async fn answered(&self, job: &Job, response: Response) -> (End, Option<Fatal>) {
        let status = response.status.as_u16();
        let (response, placed) = match &self.folder {
            None => (response, None),
            Some(folder) => {
                let (folder, its_job) = (Arc::clone(folder), job.clone());
                let placing = spawn_blocking(move || {
                    let placed = folder.place(&its_job, response.status, &response.body);
                    (response, placed)
                });
                match placing.await.expect("placing does not panic") {
                    (response, Ok(placed)) => (response, Some(placed)),
                    (_, Err(error)) => return self.not_kept(job, error.to_string()).await,
                }
            }
        };
        let line = Outcome::answered(job, &response, placed.as_ref()).to_line();
        match self.pen.result(line, &Record::Answered { key: job.key(), status }).await {
            Ok(()) => {
                let replaced = placed.is_some_and(|placed| placed.replaced);
                (End::Answered { status, replaced }, None)
            }
            Err(error) => {
                let why = "it was answered, but the result cannot be written".to_owned();
                (End::Failed { kind: "store", why }, Some(error.into()))
            }
        }
    }

    async fn failed(&self, job: &Job, failure: &Failure) -> (End, Option<Fatal>) {
        let why = described(failure);
        if let Reason::Store(_) = &failure.reason {
            return self.not_kept(job, why).await;
        }
        // A refused request has not been acted upon, so a stop between attempts leaves it as if it had not begun.
        let written = if matches!(failure.reason, Reason::Closed) && failure.attempts == failure.refused {
            let withdrawn = match failure.attempts {
                // No record says that it was.
                0 => Ok(()),
                _ => self.pen.record(&Record::Withdrawn { key: job.key() }).await,
            };
            (End::NotStarted, withdrawn)
        } else {
            let line = Outcome::failed(job, failure, &why).to_line();
            let record = Record::Failed { key: job.key(), why: why.as_str().into() };
            let written = self.pen.result(line, &record).await;
            drop(record);
            (End::Failed { kind: kind(&failure.reason), why }, written)
        };
        (written.0, written.1.err().map(Fatal::Scribe))
    }

    /// The answer is there, and no room for it: it has to be asked for again.
    async fn not_kept(&self, job: &Job, why: String) -> (End, Option<Fatal>) {
        let record = Record::Failed { key: job.key(), why: why.as_str().into() };
        let fatal = match self.pen.record(&record).await {
            Ok(()) => Fatal::Store { request: Named::of(job), why: why.clone() },
            Err(error) => error.into(),
        };
        (End::Failed { kind: "store", why }, Some(fatal))
    }
}

/// The failure with its causes, so far as it does not say so itself.
fn described(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(&failure.reason);
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.contains(&why) {
            text = text + ": " + &why;
        }
        cause = error.source();
    }
    if let Reason::Certificate { is_unknown: true, .. } = failure.reason {
        text += "; if you trust whoever did, name that one's certificate with --cacert";
    }
    if failure.out_of_budget {
        text += "; not tried again, since too many others were";
    }
    text
}
