//! The reader: all inputs of a run, one batch at a time.

use std::{borrow::Cow, collections::VecDeque, path::PathBuf, sync::Arc};

use super::{
    error::InputError,
    follow::{Changes, refuse_compressed},
    framing::Framing,
    identity::FileKey,
    locate::{Folders, MOST_LISTINGS},
    notice::Notice,
    pattern::{InputSpec, STDIN, expand},
    plan::Plan,
    position::Position,
    signal::{Signal, Stopper, Wake},
    table::{AtEnd, Outcome, Table},
};
use crate::{batch::Batch, checkpoint::Checkpoint, multiline::Multiline};

/// How inputs are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Go on when the end is reached: wait for more, through rotation and truncation.
    pub follow: bool,
    /// The longest line that travels whole, in bytes, at least 1. A longer one travels in pieces.
    pub max_line: usize,
    /// Records may have several lines, and then they travel whole, up to `max_line` bytes. None: each line is a record.
    pub multiline: Option<Multiline>,
    /// Every input must be able to be read again after a crash: pipes are refused.
    pub resumable: bool,
    /// Only with `follow`: globs that are looked at while the run goes, beside the patterns that it begins with. For
    /// those of which not every file can be read now.
    pub globs: Vec<String>,
    /// Only without `follow`: last lines without a line end, or the last records if these may have several lines, come
    /// behind everything else, each with a position that says where it begins. So whoever writes them can take them back when the next run finds the rest.
    pub unended_last: bool,
    /// A file that is never read although a pattern reaches it: the output.
    pub except: Option<FileKey>,
}

/// What the reader has to say next.
#[derive(Debug)]
pub enum Step {
    /// Lines, or the news that an input is finished.
    Batch(Batch),
    /// Something a person may want to know; nothing is wrong.
    Notice(Notice),
    /// An input could not be read, or not to its end. The others go on.
    Failed {
        /// Its index, if it got one.
        input: Option<usize>,
        /// What went wrong: names the input.
        error: InputError,
    },
    /// Only with `follow`: all is read for now. Call [`Inputs::wait`], then [`Inputs::next`] again.
    Idle,
    /// All is read, or the run was stopped. Every further call says so again.
    End,
}

/// All inputs of a run. Lives on the reader's thread.
///
/// Without `follow` they are read one after the other. With it, each is asked in turn for a batch, so a busy file
/// keeps no other waiting for longer than that takes.
#[derive(Debug)]
pub struct Inputs {
    table: Table,
    options: Options,
    framing: Framing,
    signal: Arc<Signal>,
    /// What was found on the way to the next batch; goes out first.
    outbox: VecDeque<Step>,
    /// The input that is asked next.
    turn: usize,
    /// Inputs whose last line has no line end, or whose last record may go on, with its length, if these come last.
    unended: VecDeque<(usize, usize)>,
    /// None without `follow`.
    follow: Option<Following>,
}

#[derive(Debug)]
struct Following {
    changes: Changes,
    /// Something was read or found since the round began.
    progress: bool,
    /// The last round found nothing to do, so the next begins with a look whether or not anything called for one.
    was_idle: bool,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            follow: false,
            max_line: super::MAX_LINE,
            multiline: None,
            resumable: false,
            globs: Vec::new(),
            unended_last: false,
            except: None,
        }
    }
}

impl Options {
    pub(super) fn framing(&self) -> Framing {
        Framing { max_line: self.max_line, multiline: self.multiline.clone() }
    }
}

// === impl Inputs ===

impl Inputs {
    /// Finds what `patterns` name, and where `resume` left off.
    ///
    /// A file of `resume` that is found under another name is read first, then those that were rotated after it,
    /// then what stands at its path. One that is not found at all is reported by the first [`next`](Self::next). What
    /// another input is compressed to is left out when its turn comes.
    ///
    /// # Errors
    ///
    /// As [`expand`]; with `follow` also when changes cannot be watched or a file is compressed; with `resumable`
    /// also when an input is a pipe.
    pub fn open(
        patterns: &[String],
        resume: Option<&Checkpoint>,
        options: Options,
    ) -> Result<Self, InputError> {
        let found = expand(patterns, options.follow)?;
        Self::open_found(&found, patterns, resume, options)
    }

    /// The same of inputs that [`check`](Self::check) has found: to look for thousands of them takes its time.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for what `check` has said.
    pub(crate) fn open_found(
        found: &[InputSpec],
        patterns: &[String],
        resume: Option<&Checkpoint>,
        options: Options,
    ) -> Result<Self, InputError> {
        let plan = plan(found, patterns, resume, &options)?;
        let mut inputs = Self {
            table: Table::default(),
            signal: Arc::default(),
            outbox: VecDeque::new(),
            turn: 0,
            unended: VecDeque::new(),
            follow: None,
            framing: options.framing(),
            options,
        };
        inputs.outbox.extend(plan.said);
        for planned in &plan.starts {
            inputs.table.push(planned.key, planned.entry());
        }
        if inputs.options.follow {
            let mut changes = Changes::watch(patterns, &inputs.options, &inputs.signal)?;
            changes.begin(&plan.starts, &mut inputs.table, &mut inputs.outbox);
            inputs.follow = Some(Following { changes, progress: false, was_idle: true });
        } else {
            inputs.table.pair_packed();
        }
        Ok(inputs)
    }

    /// Tells what [`open`](Self::open) would fail with, or what it would find, and reads nothing: what a pipe holds stays in it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn check(
        patterns: &[String],
        resume: Option<&Checkpoint>,
        options: &Options,
    ) -> Result<Vec<InputSpec>, InputError> {
        let found = expand(patterns, options.follow)?;
        plan(&found, patterns, resume, options)?;
        if options.follow {
            Changes::watch(patterns, options, &Arc::default())?;
        }
        Ok(found)
    }

    /// Where each input stands before the first batch; the index is [`Batch::input`]. None means at its start.
    pub fn positions(&self) -> Vec<Option<Arc<Position>>> {
        self.table.positions()
    }

    /// The path of each input that was opened, by its index: of those that held nothing, no batch says it.
    pub fn opened(&self) -> Vec<Option<PathBuf>> {
        self.table.opened()
    }

    /// Ends this run from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper::new(Arc::clone(&self.signal))
    }

    /// Reads on. `recycle` is the buffer of an earlier batch, or an empty one; its content does not matter.
    ///
    /// Without `follow` this waits for a pipe that has nothing yet; a [`Stopper`] ends the wait.
    /// With it, the begin of a line is kept back until the rest is written or the file makes way for another. A run
    /// that is stopped leaves it where it is, behind the last position; what was taken out of a pipe is nowhere else,
    /// and comes before the end, to the last byte.
    pub fn next(&mut self, mut recycle: Vec<u8>) -> Step {
        loop {
            if let Some(step) = self.outbox.pop_front() {
                return step;
            }
            if self.signal.is_stopped() {
                return self.next_after_stop(&mut recycle);
            }
            let step = match self.follow {
                None => self.next_in_order(&mut recycle),
                Some(_) => self.next_in_turn(&mut recycle),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// After [`Step::Idle`]: blocks until something may have changed, a record was held for long enough, or the run is
    /// stopped.
    pub fn wait(&mut self) -> Wake {
        self.signal.wait(self.table.held_until(&self.framing))
    }

    /// What was taken from streams, then the end.
    fn next_after_stop(&mut self, buffer: &mut Vec<u8>) -> Step {
        for input in 0..self.table.len() {
            while self.table.end_stream(input) {
                match self.table.read(input, AtEnd::Close, &self.framing, buffer) {
                    Outcome::Batch(batch) | Outcome::Ended(Some(batch)) => return Step::Batch(batch),
                    Outcome::Ended(None) | Outcome::Left(..) | Outcome::Pending => {}
                    Outcome::Failed(rest, error) => {
                        self.fail(input, rest, error);
                        return self.outbox.pop_front().expect("a failure was just put there");
                    }
                }
            }
            // Whole lines that are held for their record. With a state the next run finds them where they are.
            if !self.options.resumable
                && let Some(batch) = self.table.flush(input, buffer)
            {
                return Step::Batch(batch);
            }
        }
        Step::End
    }

    /// None: what there is to say is in the outbox, or there is more to do.
    fn next_in_order(&mut self, buffer: &mut Vec<u8>) -> Option<Step> {
        if self.turn == self.table.len() {
            let Some((input, length)) = self.unended.pop_front() else { return Some(Step::End) };
            return self.table.read_unended(input, length, &self.framing, buffer).map(Step::Batch);
        }
        let input = self.turn;
        // A glob leads to both while a file is being compressed, or if whoever did that has kept it.
        if let Some(of) = self.table.packed_from(input).or_else(|| self.table.packed_to(input))
            && let Some(news) = self.table.pass_over(input)
        {
            self.turn += 1;
            let path = news.end.path.clone();
            self.outbox.extend([Step::Batch(news), Step::Notice(Notice::Copied { path, of })]);
            return None;
        }
        match self.table.open(input, &self.framing, false, &self.signal) {
            Ok(None) => {}
            Ok(Some(news)) => {
                self.turn += 1;
                return Some(Step::Batch(news));
            }
            Err(error) => {
                self.turn += 1;
                return Some(Step::Failed { input: Some(input), error });
            }
        }
        let at_end = if self.options.unended_last { AtEnd::LeaveLine } else { AtEnd::Close };
        match self.table.read(input, at_end, &self.framing, buffer) {
            Outcome::Batch(batch) => Some(Step::Batch(batch)),
            Outcome::Left(news, length) => {
                self.turn += 1;
                self.unended.push_back((input, length));
                news.map(Step::Batch)
            }
            Outcome::Ended(news) => {
                self.turn += 1;
                news.map(Step::Batch)
            }
            Outcome::Pending => {
                self.wait();
                None
            }
            Outcome::Failed(rest, error) => {
                self.turn += 1;
                self.fail(input, rest, error);
                None
            }
        }
    }

    /// None: what there is to say is in the outbox, or there is more to do.
    fn next_in_turn(&mut self, buffer: &mut Vec<u8>) -> Option<Step> {
        let Self { follow: Some(following), table, outbox, signal, framing, .. } = self else {
            return Some(Step::End);
        };
        if self.turn == 0 && (signal.take_look() || std::mem::take(&mut following.was_idle)) {
            following.changes.look(table, outbox);
            if !outbox.is_empty() {
                // It may hold batches, whose numbers come before those that are read from here on.
                following.progress = true;
                return None;
            }
        }
        while self.turn < table.len() {
            let input = self.turn;
            self.turn += 1;
            if !table.is_readable(input) {
                continue;
            }
            match table.read(input, AtEnd::Stay, framing, buffer) {
                Outcome::Batch(batch) => {
                    following.progress = true;
                    return Some(Step::Batch(batch));
                }
                Outcome::Ended(news) | Outcome::Left(news, _) => {
                    // A file that closed may have been in the way of another one.
                    following.progress |= !table.is_open(input);
                    if table.is_gone(input) {
                        // It was passed over, which the next look says.
                        signal.look();
                    }
                    if let Some(news) = news {
                        return Some(Step::Batch(news));
                    }
                }
                Outcome::Pending => {}
                Outcome::Failed(rest, error) => {
                    following.progress = true;
                    self.fail(input, rest, error);
                    return None;
                }
            }
        }
        self.turn = 0;
        if std::mem::take(&mut following.progress) {
            return None;
        }
        following.was_idle = true;
        if table.is_unsettled() {
            // What the last look missed, the next one finds or forgets.
            return None;
        }
        // Standard input that ended does not go on, so where nothing else was named there is nothing to wait for.
        let is_over =
            following.changes.is_of_nothing() && (0..table.len()).all(|input| !table.is_open(input));
        Some(if is_over { Step::End } else { Step::Idle })
    }

    fn fail(&mut self, input: usize, rest: Vec<Batch>, error: InputError) {
        self.outbox.extend(rest.into_iter().map(Step::Batch));
        self.outbox.push_back(Step::Failed { input: Some(input), error });
    }
}

fn plan(
    found: &[InputSpec],
    patterns: &[String],
    resume: Option<&Checkpoint>,
    options: &Options,
) -> Result<Plan, InputError> {
    if options.resumable {
        refuse_pipes(found)?;
    }
    let positions = resume.map_or(&[][..], |checkpoint| &checkpoint.inputs);
    let plan = settled(found, patterns, positions, options);
    if options.follow {
        refuse_compressed(patterns, &options.globs, &plan.starts)?;
    }
    Ok(plan)
}

/// A plan during which nothing was renamed, if there is a moment for it.
fn settled(found: &[InputSpec], patterns: &[String], positions: &[Position], options: &Options) -> Plan {
    let mut found = Cow::Borrowed(found);
    for _ in 1..MOST_LISTINGS {
        let mut folders = Folders::default();
        let plan = Plan::new(&found, positions, options.except, &mut folders);
        if plan.is_as_found(&found, &folders) {
            return plan;
        }
        // Without the log itself, if that is just being made anew.
        found = expand(patterns, true).map_or(found, Cow::Owned);
    }
    Plan::new(&found, positions, options.except, &mut Folders::default())
}

fn refuse_pipes(specs: &[InputSpec]) -> Result<(), InputError> {
    for spec in specs {
        match spec {
            InputSpec::Stdin => return Err(InputError::NotResumable { path: STDIN.into() }),
            InputSpec::Stream(path) => return Err(InputError::NotResumable { path: path.clone() }),
            InputSpec::File { .. } => {}
        }
    }
    Ok(())
}
