//! The first stage: from a file to the bytes of its result, within the memory that there is.

use std::collections::{HashMap, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use forebay_program::fault;
use tokio::select;
use tokio::sync::watch;

use crate::Name;
use crate::budget::{Budget, HeldWaiting, Share};
use crate::input::{FileKey, InputError, Opened};
use crate::outcome::{End, Failure, Outcome, Spent, Written};
use crate::picture::{self, Limits, Plan, Refused, Settings};
use crate::pipeline::BESIDE;
use crate::store::{Existing, Store};

/// A picture in the input queue.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) input: PathBuf,
    pub(crate) name: Name,
    pub(crate) content: Content,
    /// When the input was last changed, as far as that is known.
    pub(crate) modified: Option<SystemTime>,
}

/// Where its bytes are.
#[derive(Debug)]
pub(crate) enum Content {
    /// In the file that the job names.
    File,
    /// Here, with the room that they take.
    Given(Bytes, Share, HeldWaiting),
}

/// What the first stage hands on: a result to store, or one that has ended already.
#[derive(Debug)]
pub(crate) enum Step {
    Rendered(Box<Rendered>),
    Ended(Box<Outcome>),
}

/// A result that is not stored yet.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) input: PathBuf,
    pub(crate) name: Name,
    pub(crate) bytes: Bytes,
    pub(crate) written: Written,
    pub(crate) replaces: bool,
    pub(crate) spent: Spent,
    /// Of the bytes; given back when they are stored.
    pub(crate) share: Share,
}

/// Processes pictures, one at a time on each thread that calls it.
#[derive(Debug)]
pub(crate) struct Processor {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) existing: Existing,
    /// What the whole process was given, in bytes. The budget is what of it is for pictures.
    pub(crate) memory: u64,
    pub(crate) budget: Budget,
    /// Once true, nothing is begun any more.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) claims: Option<Claims>,
}

/// Who has which name in the output, and which files must stay as they are. Grows with the number of pictures, so only a
/// run that has an end keeps it.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) names: Mutex<HashMap<Name, PathBuf>>,
    pub(crate) inputs: HashSet<FileKey>,
}

/// Bytes in memory, and the room that they take.
struct Held {
    bytes: Bytes,
    share: Share,
    waiting: Option<HeldWaiting>,
}

/// What is read of a file that is too large, to say how much memory it needs. A TIFF may have its header behind that.
const BEGINNING: u64 = 1 << 20;

// === impl Processor ===

impl Processor {
    /// Makes the result of a picture, or says how it ended. Blocks the thread while it reads and computes.
    pub(crate) async fn process(&self, mut job: Job) -> Step {
        let mut spent = Spent::default();
        let content = std::mem::replace(&mut job.content, Content::File);
        match self.work(&mut job, content, &mut spent).await {
            Ok((bytes, share, written)) => Step::Rendered(Box::new(Rendered {
                input: job.input,
                name: job.name,
                bytes,
                written,
                replaces: self.existing != Existing::Keep,
                spent,
                share,
            })),
            Err(end) => Step::Ended(Box::new(Outcome { input: job.input, name: job.name, end, spent })),
        }
    }

    async fn work(
        &self,
        job: &mut Job,
        content: Content,
        spent: &mut Spent,
    ) -> Result<(Bytes, Share, Written), End> {
        if *self.stop.borrow() {
            return Err(End::NotStarted);
        }
        let expected = job.name.expected(self.settings.format);
        if let Some(expected) = &expected {
            self.keep_what_is_there(expected, job, spent).await?;
        }

        let mut held = match content {
            Content::Given(bytes, share, waiting) => Held { bytes, share, waiting: Some(waiting) },
            Content::File => self.read(&job.input, spent).await?,
        };
        spent.bytes = held.bytes.len() as u64;
        let header = picture::probe(&held.bytes).map_err(refused)?;
        spent.pixels = header.pixels();
        let mut plan = picture::plan(&header, &self.settings, &self.limits).map_err(refused)?;
        let is_reduced = self.reduce(&mut plan, &held)?;

        let name = job.name.for_format(plan.format());
        if expected.as_ref() != Some(&name) {
            // The content is not what the name said.
            self.claim(&name, job)?;
            self.keep_what_is_there(&name, job, spent).await?;
        }
        job.name = name;

        if !held.share.try_grow(plan.weight()) {
            held = self.grow(held, plan.weight(), &job.input, spent).await?;
            if picture::probe(&held.bytes).as_ref() != Ok(plan.header()) {
                return Err(failed(InputError::Changed));
            }
        }
        let Held { bytes, mut share, waiting } = held;
        // Who has all that it needs waits for nobody.
        drop(waiting);
        let rendered = panic::catch_unwind(AssertUnwindSafe(|| {
            fault::point("panic-in-worker");
            picture::render(&bytes, &plan, &self.settings, &self.limits)
        }));
        let picture = rendered.map_err(|panic| failed(Failure::Panicked(said(&*panic))))?.map_err(refused)?;
        drop(bytes);
        spent.times = picture.times;
        let mut bytes = picture.bytes;
        bytes.shrink_to_fit();
        share.shrink(bytes.len() as u64);
        let (width, height, format) = (picture.width, picture.height, picture.format);
        let is_first_of_several = plan.header().drops_frames();
        let bytes_out = bytes.len() as u64;
        let written = Written { bytes: bytes_out, width, height, format, is_reduced, is_first_of_several };
        Ok((bytes.into(), share, written))
    }

    /// Reads a file within the memory that there is.
    async fn read(&self, path: &Path, spent: &mut Spent) -> Result<Held, End> {
        let opened = Opened::open(path).map_err(failed)?;
        let length = opened.length();
        if length > self.budget.total() {
            return Err(self.too_heavy(self.needs(opened, spent).await?));
        }
        let share = self.room(length, spent).await?;
        read_into(opened, share, spent)
    }

    /// What a file that alone is more than there is would need together with its picture, as far as its beginning tells.
    async fn needs(&self, opened: Opened, spent: &mut Spent) -> Result<u64, End> {
        let length = opened.length();
        let share = self.room(BEGINNING.min(self.budget.total()), spent).await?;
        let beginning = opened.beginning(share.bytes()).map_err(failed)?;
        let header = picture::probe(&beginning);
        let plan = header.and_then(|header| picture::plan(&header, &self.settings, &self.limits));
        // Shares are in whole units.
        Ok(length.next_multiple_of(1024) + plan.map_or(0, |plan| plan.weight()))
    }

    /// Waits for room for the work on a picture.
    async fn grow(&self, held: Held, weight: u64, path: &Path, spent: &mut Spent) -> Result<Held, End> {
        let Held { bytes, mut share, waiting } = held;
        if waiting.is_some() {
            share.add(self.room(weight, spent).await?);
            return Ok(Held { bytes, share, waiting });
        }
        // Waiting with a share in hand could be for ever, so both are waited for at once, and the file, which is in the
        // system's cache now, is read again.
        let length = bytes.len() as u64;
        drop((bytes, share));
        let share = self.room(length + weight, spent).await?;
        let opened = Opened::open(path).map_err(failed)?;
        if opened.length() != length {
            return Err(failed(InputError::Changed));
        }
        read_into(opened, share, spent)
    }

    /// Waits for room, unless the pipeline is told to stop.
    async fn room(&self, bytes: u64, spent: &mut Spent) -> Result<Share, End> {
        let started = Instant::now();
        let mut stop = self.stop.clone();
        let room = select! {
            biased;
            room = self.budget.take(bytes) => room,
            // Its sender lives as long as the pipeline; without one nobody waits for this either.
            _ = stop.wait_for(|stop| *stop) => return Err(End::NotStarted),
        };
        spent.wait += started.elapsed();
        Ok(room.expect("what is more than there is was refused before"))
    }

    /// Makes a plan that is too heavy lighter, and says whether it did.
    fn reduce(&self, plan: &mut Plan, held: &Held) -> Result<bool, End> {
        let budget = match held.waiting {
            Some(_) => self.budget.most_beside(),
            // In whole units, as the two are asked for together.
            None => self.budget.total().saturating_sub(held.share.bytes()),
        };
        if plan.weight() <= budget {
            return Ok(false);
        }
        let needs = match held.waiting {
            // Three quarters of what there is must be as much.
            Some(_) => plan.weight().div_ceil(3) * 4,
            None => plan.weight() + held.share.bytes(),
        };
        *plan = picture::reduce(plan, budget).ok_or_else(|| self.too_heavy(needs))?;
        Ok(true)
    }

    /// Ends a picture for which so many bytes would have to be there for all pictures.
    fn too_heavy(&self, needs: u64) -> End {
        failed(Failure::TooHeavy { needs: needs + BESIDE, memory: self.memory })
    }

    /// Ends a picture whose result is there already and shall stay.
    async fn keep_what_is_there(&self, name: &Name, job: &Job, spent: &mut Spent) -> Result<(), End> {
        if self.existing == Existing::Replace {
            return Ok(());
        }
        let started = Instant::now();
        let present = self.store.present(name).await;
        spent.read += started.elapsed();
        match present.map_err(failed)? {
            Some(present) if self.existing.keeps(present, job.modified) => Err(End::Kept),
            _ => Ok(()),
        }
    }

    /// Takes a name that nobody had foreseen.
    fn claim(&self, name: &Name, job: &Job) -> Result<(), End> {
        let Some(claims) = &self.claims else { return Ok(()) };
        let mut names = claims.names.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(name) {
            Some(other) if *other != job.input => {
                let (name, other) = (name.clone(), other.clone());
                return Err(failed(Failure::Taken { name, other }));
            }
            Some(_) => {}
            None => drop(names.insert(name.clone(), job.input.clone())),
        }
        let Store::Folder(folder) = &self.store else { return Ok(()) };
        match folder.look_for(name).map_err(failed)? {
            Some((_, key)) if claims.inputs.contains(&key) => {
                Err(failed(Failure::IsInput { name: name.clone() }))
            }
            _ => Ok(()),
        }
    }
}

fn read_into(opened: Opened, share: Share, spent: &mut Spent) -> Result<Held, End> {
    let started = Instant::now();
    let bytes = opened.read();
    spent.read += started.elapsed();
    Ok(Held { bytes: bytes.map_err(failed)?.into(), share, waiting: None })
}

fn failed(failure: impl Into<Failure>) -> End {
    End::Failed(failure.into())
}

fn refused(refused: Refused) -> End {
    failed(refused)
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it said nothing".to_owned())
}
