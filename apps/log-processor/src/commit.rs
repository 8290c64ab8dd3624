//! Output and checkpoint move together: the order of steps that makes a crash harmless.
//!
//! 1. Lines are written to the output, and the position behind them is noted.
//! 2. A commit flushes the output (with `sync` to the disk), and only then
//! 3. saves the positions together with the length that the output has now.
//!
//! A crash before 3 leaves the old checkpoint and an output that is longer than it says: the next run cuts the
//! output back and reads the same lines again. A crash after 3 leaves both at the new place. The other way round,
//! a checkpoint could speak of lines that never reached the file, and they would be lost.
//!
//! The last commit of a run says that it is the last. Only then is what lies behind it later somebody else's, and
//! not to be cut off without being asked.
//!
//! A last line without a line end may be half of one, of which the next run finds the rest. So it is written behind
//! everything else, and the last commit speaks of a length in front of it beside the whole one. The next run cuts it
//! off like what was not settled, and judges the line as a whole.

use std::{collections::BTreeMap, sync::Arc};

use forebay_program::fault;

use crate::{
    checkpoint::{Checkpoint, StateDir, StateError},
    input::{Phase, Position},
    output::{Output, OutputError},
};

/// Writes lines and settles them.
#[derive(Debug)]
pub struct Committer {
    output: Output,
    state: Option<StateDir>,
    settings: BTreeMap<String, String>,
    /// Behind what was written, for each input that was begun.
    positions: Vec<Option<Arc<Position>>>,
    /// Last lines without a line end, if there are any: they lie behind all others.
    unended: Option<Unended>,
    /// The input with whose line the output ends, if that has no line end. One that there is not if nobody knows whose
    /// line it is.
    open_line: Option<usize>,
    sync: bool,
    /// Something was written since the last commit.
    is_dirty: bool,
    /// The state knows nothing of a log by which that would be found again.
    is_urgent: bool,
    /// A write failed, so the output ends somewhere within a batch, and its length is good for nothing.
    is_broken: bool,
}

/// What is to be taken back by the next run.
#[derive(Debug)]
struct Unended {
    /// Where in the output the first of them begins: all a checkpoint speaks of before the last one.
    begin: u64,
    /// As [`Committer::open_line`], in front of it.
    open_line: Option<usize>,
    /// By input, the position behind its line.
    ends: BTreeMap<usize, Arc<Position>>,
}

/// Why lines could not be written or settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The output failed before.
    #[error("the output failed before: nothing more is settled")]
    Broken,
}

// === impl Committer ===

impl Committer {
    /// Joins an output to a state, if there is one, and saves the first checkpoint, so that whatever is written
    /// from here on can be told from what was there before.
    ///
    /// `positions` are those of [`Inputs::positions`](crate::input::Inputs::positions).
    ///
    /// # Errors
    ///
    /// When that checkpoint cannot be saved.
    pub fn begin(
        output: Output,
        state: Option<StateDir>,
        settings: BTreeMap<String, String>,
        positions: Vec<Option<Arc<Position>>>,
        sync: bool,
    ) -> Result<Self, CommitError> {
        let open_line = output.ends_in_a_line().then(|| {
            let is_of = |position: &Option<Arc<Position>>| position.as_ref().is_some_and(|it| it.ends_output);
            positions.iter().position(is_of).unwrap_or(usize::MAX)
        });
        let mut committer = Self {
            open_line,
            output,
            state,
            settings,
            positions,
            unended: None,
            sync,
            is_dirty: true,
            is_urgent: false,
            is_broken: false,
        };
        committer.commit(&BTreeMap::new())?;
        // Only now is it certain that the run starts.
        committer.output.cut()?;
        Ok(committer)
    }

    /// Writes what became of a batch of `input`, and notes where the input stands behind it.
    ///
    /// Behind a last line without a line end ([`Position::unended`]) only such lines may follow: they are settled by
    /// [`finish`](Self::finish) alone, and taken back by the next run.
    ///
    /// # Errors
    ///
    /// After a failed write nothing can be committed any more: the state stays at the last commit.
    pub fn write(&mut self, input: usize, end: &Arc<Position>, bytes: &[u8]) -> Result<(), CommitError> {
        if self.is_broken {
            return Err(CommitError::Broken);
        }
        self.is_dirty = true;
        let (length, open_line) = (self.output.length(), self.open_line);
        if let Err(error) = self.output.write(bytes) {
            self.is_broken = true;
            return Err(error.into());
        }
        if let Some(last) = bytes.last() {
            self.open_line = (*last != b'\n').then_some(input);
        }
        match length {
            Some(begin) if end.unended.is_some() => {
                let unended =
                    self.unended.get_or_insert_with(|| Unended { begin, open_line, ends: BTreeMap::new() });
                unended.ends.insert(input, Arc::clone(end));
            }
            _ => {
                self.is_urgent |= self.state.is_some() && self.is_first_of_its_log(input, end);
                if self.positions.len() <= input {
                    self.positions.resize(input + 1, None);
                }
                self.positions[input] = (end.phase != Phase::Forgotten).then(|| Arc::clone(end));
            }
        }
        Ok(())
    }

    /// Something is known now of a log of which the state knows at most its place on disk: so a run that is killed before the next
    /// commit leaves nothing by which that log is found once it is rotated and compressed.
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    fn is_first_of_its_log(&self, input: usize, end: &Position) -> bool {
        let is_known = match self.positions.get(input).and_then(Option::as_ref) {
            Some(known) => !known.is_of_nothing(),
            None => self.positions.iter().flatten().any(|other| other.home() == end.home()),
        };
        end.key.is_some() && !end.is_of_nothing() && !is_known
    }

    /// Whether a line of another input than `input` is the last of the output and has no line end.
    pub(crate) fn has_open_line_of_another(&self, input: usize) -> bool {
        self.open_line.is_some_and(|other| other != input)
    }

    /// Settles everything written so far. Without a state it only flushes; with nothing new it does nothing.
    ///
    /// `counts` are saved with it.
    ///
    /// # Errors
    ///
    /// The state stays at the last commit that succeeded.
    pub fn commit(&mut self, counts: &BTreeMap<String, u64>) -> Result<(), CommitError> {
        if self.is_dirty || self.is_broken { self.settle(counts, false) } else { Ok(()) }
    }

    /// Settles everything for the last time: whatever the output holds behind this was not written by this run.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn finish(&mut self, counts: &BTreeMap<String, u64>) -> Result<(), CommitError> {
        self.settle(counts, true)
    }

    fn settle(&mut self, counts: &BTreeMap<String, u64>, ended: bool) -> Result<(), CommitError> {
        if self.is_broken {
            return Err(CommitError::Broken);
        }
        if let Err(error) = self.output.flush(self.sync) {
            self.is_broken = true;
            return Err(error.into());
        }
        fault::point("after-flush");
        if let Some(state) = &mut self.state {
            let mut positions: Vec<_> = self.positions.iter().map(Option::as_ref).collect();
            let mut open_lines = vec![self.open_line];
            let mut output = self.output.mark();
            if let Some(mark) = &mut output {
                mark.ended = ended.then_some(mark.length);
            }
            if let Some(unended) = &self.unended {
                if let Some(mark) = &mut output {
                    mark.length = unended.begin;
                }
                open_lines.retain(|_| ended);
                open_lines.push(unended.open_line);
                for (input, end) in unended.ends.iter().filter(|_| ended) {
                    positions.resize(positions.len().max(input + 1), None);
                    positions[*input] = Some(end);
                }
            }
            state.save(&Checkpoint {
                settings: self.settings.clone(),
                output,
                inputs: positions
                    .into_iter()
                    .enumerate()
                    .filter_map(|(input, position)| {
                        let ends_output = open_lines.contains(&Some(input));
                        Some(Position { ends_output, ..Position::clone(position?) })
                    })
                    .collect(),
                counts: counts.clone(),
            })?;
        }
        (self.is_dirty, self.is_urgent) = (false, false);
        Ok(())
    }

    /// The output, for what it counted.
    pub fn output(&self) -> &Output {
        &self.output
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;
    use crate::{
        input::{Fingerprint, Inputs, Options, Step},
        output::{Existing, Target},
    };

    /// A pipeline that copies `in.log` to `out.log`, with its state in `state`.
    struct Pipeline {
        folder: tempfile::TempDir,
    }

    struct Running {
        inputs: Inputs,
        committer: Committer,
    }

    impl Pipeline {
        fn new(content: &str) -> Self {
            let folder = tempfile::tempdir().expect("the tests need a folder to write to");
            fs::write(folder.path().join("in.log"), content).expect("the folder is ours");
            Self { folder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn start(&self) -> Running {
            let settings = BTreeMap::new();
            let patterns = [self.path("in.log").display().to_string()];
            let state = StateDir::open(&self.path("state"), false).expect("the folder is ours");
            let mut resume = state.load(&settings).expect("the state is whole");
            if let Some(resume) = &mut resume {
                resume.take_back();
            }
            let mark = resume.as_ref().and_then(|resume| resume.output.as_ref());
            let target = Target::File(self.path("out.log"));
            let output =
                Output::open(&target, Existing::Refuse, mark, &patterns).expect("the output is ours");
            // A short limit makes many batches of a small input.
            let options = Options { max_line: 32, unended_last: true, ..Options::default() };
            let inputs = Inputs::open(&patterns, resume.as_ref(), options).expect("the input is there");
            let positions = inputs.positions();
            let committer = Committer::begin(output, Some(state), settings, positions, false)
                .expect("the folder is ours");
            Running { inputs, committer }
        }

        fn written(&self) -> String {
            fs::read_to_string(self.path("out.log")).expect("a run makes its output")
        }
    }

    impl Running {
        /// Writes one batch; false at the end.
        fn write(&mut self) -> bool {
            let Step::Batch(batch) = self.inputs.next(Vec::new()) else { return false };
            self.committer.write(batch.input, &batch.end, &batch.bytes).expect("there is room");
            true
        }

        fn commit(&mut self) {
            self.committer.commit(&BTreeMap::new()).expect("there is room");
        }

        fn finish(mut self) {
            while self.write() {}
            self.committer.finish(&BTreeMap::new()).expect("there is room");
        }

        /// What `kill -9` leaves of a run: no destructor has anything to say about the files, and what the buffer
        /// held may or may not have been written.
        fn kill(mut self, with_buffer: bool) {
            if with_buffer {
                self.committer.output.flush(false).expect("there is room");
            }
        }
    }

    fn lines(count: u32) -> String {
        (0..count).map(|line| format!("line number {line}\n")).collect()
    }

    #[test]
    fn first_that_is_known_of_a_log_is_urgent() {
        let pipeline = Pipeline::new("");
        let Running { mut committer, .. } = pipeline.start();
        let nothing = committer.positions[0].clone().expect("the input has a place on disk");
        let head = Fingerprint::of_first_line(b"1\n");
        let end = |offset: u64, path: &str| {
            Arc::new(Position { head, offset, path: pipeline.path(path), ..Position::clone(&nothing) })
        };
        let rotated = Position {
            path: pipeline.path("in.log.1"),
            home: nothing.path.clone(),
            ..Position::clone(&end(2, ""))
        };
        let cases = [
            (0, Arc::clone(&nothing), false),
            (0, end(2, "in.log"), true),
            (0, end(4, "in.log"), false),
            (1, Arc::new(rotated), false),
            (2, end(0, "other.log"), true),
            (2, end(2, "other.log"), false),
        ];
        for (input, end, is_urgent) in cases {
            committer.write(input, &end, b"").expect("there is room");
            assert_eq!(committer.is_urgent(), is_urgent, "{end:?}");
            committer.commit(&BTreeMap::new()).expect("there is room");
            assert!(!committer.is_urgent());
        }
    }

    #[test]
    fn run_that_is_killed_anywhere_loses_no_line_and_doubles_none() {
        let content = lines(20) + "a line without its end";
        for commit_every in [1, 3] {
            for killed_after in 0..22 {
                for with_buffer in [false, true] {
                    let pipeline = Pipeline::new(&content);
                    let mut running = pipeline.start();
                    for batch in 1..=killed_after {
                        running.write();
                        if batch % commit_every == 0 {
                            running.commit();
                        }
                    }
                    running.kill(with_buffer);
                    pipeline.start().finish();
                    assert_eq!(pipeline.written(), content, "killed after {killed_after} batches");
                }
            }
        }
    }

    #[test]
    fn run_that_is_killed_again_and_again_comes_to_its_end() {
        let content = lines(50);
        let pipeline = Pipeline::new(&content);
        for batches in [2, 0, 5, 1, 7, 3] {
            let mut running = pipeline.start();
            for _ in 0..batches {
                running.write();
            }
            running.commit();
            running.write();
            running.kill(true);
        }
        pipeline.start().finish();
        assert_eq!(pipeline.written(), content);
    }

    #[test]
    fn first_checkpoint_comes_before_the_first_line() {
        let pipeline = Pipeline::new(&lines(10));
        fs::write(pipeline.path("out.log"), "").expect("the folder is ours");
        let mut running = pipeline.start();
        running.write();
        // Without it the output would now hold something that no state knows, and the next run would refuse it.
        running.kill(true);
        pipeline.start().finish();
        assert_eq!(pipeline.written(), lines(10));
    }

    #[test]
    fn finished_run_has_nothing_left_to_do_until_the_input_grows() {
        let pipeline = Pipeline::new(&lines(10));
        pipeline.start().finish();
        pipeline.start().finish();
        assert_eq!(pipeline.written(), lines(10));
        append(&pipeline.path("in.log"), "more\n");
        pipeline.start().finish();
        assert_eq!(pipeline.written(), lines(10) + "more\n");
    }

    #[test]
    fn nothing_is_settled_after_a_failed_write() {
        let folder = tempfile::tempdir().expect("the tests need a folder to write to");
        let state = StateDir::open(&folder.path().join("state"), false).expect("the folder is ours");
        let output = Output::open(&Target::File("/dev/full".into()), Existing::Refuse, None, &[])
            .expect("the device can be opened");
        let mut committer = Committer::begin(output, Some(state), BTreeMap::new(), Vec::new(), false)
            .expect("nothing is written yet");
        let end = Arc::new(Position::start(Path::new("in.log")));
        committer.write(0, &end, b"line\n").expect("it is gathered first");
        let counts = BTreeMap::new();
        assert!(matches!(committer.commit(&counts), Err(CommitError::Output(OutputError::Full { .. }))));
        assert!(matches!(committer.commit(&counts), Err(CommitError::Broken)));
        assert!(matches!(committer.write(0, &end, b"line\n"), Err(CommitError::Broken)));
        drop(committer);
        let state = StateDir::open(&folder.path().join("state"), false).expect("the folder is ours");
        let checkpoint =
            state.load(&BTreeMap::new()).expect("the state is whole").expect("there was a first one");
        assert_eq!(checkpoint.inputs, []);
    }

    fn append(path: &Path, text: &str) {
        use std::io::Write;

        let file = fs::OpenOptions::new().append(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the folder is ours");
    }
}
