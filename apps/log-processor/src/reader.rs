//! The first stage: reads batches from the inputs while there are buffers to read into.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use forebay::queue::{Receiver, Sender};

use crate::batch::Batch;
use crate::input::{InputError, Inputs, Step};
use crate::pipeline::Observer;
use crate::process::Processor;
use crate::report::InputReport;

/// Reads on the thread that calls [`run`](Reader::run).
pub(crate) struct Reader {
    inputs: Inputs,
    /// Failed before they could be opened.
    missing: Vec<InputError>,
    /// Knows how much memory a batch may take.
    processor: Arc<Processor>,
    observer: Arc<dyn Observer>,
}

/// The batches on their way, which come back as spare buffers in the order in which they went: the bound on memory.
struct InFlight {
    /// How many batches there may be.
    most: usize,
    /// How much memory each of them may take.
    costs: VecDeque<usize>,
    spares: Receiver<Vec<u8>>,
    /// Came back and were not used again yet.
    spare: Vec<Vec<u8>>,
}

/// How much memory all batches on their way may take, in bytes, unless it is a single one that takes more. Ordinary
/// batches of a dozen workers fit in, whatever they hold; of long lines a few.
const BUDGET: usize = 24 << 20;

/// What the reader did.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// How many batches it handed on.
    pub(crate) batches: u64,
    /// The paths of the inputs that were opened, by their index.
    opened: Vec<Option<PathBuf>>,
    /// Inputs that failed, with their index if they got one.
    failures: Vec<(Option<usize>, InputError)>,
}

// === impl Reader ===

impl Reader {
    pub(crate) fn new(
        inputs: Inputs,
        missing: Vec<InputError>,
        processor: Arc<Processor>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self { inputs, missing, processor, observer }
    }

    /// Reads until the inputs end or are stopped, or until nobody is left to take batches, of which at most
    /// `buffers` are on their way at once.
    pub(crate) fn run(mut self, buffers: usize, spares: Receiver<Vec<u8>>, batches: Sender<Batch>) -> Read {
        let mut read = Read::default();
        for error in mem::take(&mut self.missing) {
            self.failed(None, error, &mut read);
        }
        let mut in_flight = InFlight { most: buffers, costs: VecDeque::new(), spares, spare: Vec::new() };
        while let Some(buffer) = in_flight.buffer()
            && let Some(batch) = self.next_batch(buffer, &mut read)
            && in_flight.admit(self.processor.most_memory(&batch.bytes)).is_some()
            && batches.blocking_send(batch).is_ok()
        {
            read.batches += 1;
        }
        read.opened = self.inputs.opened();
        read
    }

    /// The next batch, after whatever else the inputs have to say.
    fn next_batch(&mut self, mut buffer: Vec<u8>, read: &mut Read) -> Option<Batch> {
        loop {
            match self.inputs.next(mem::take(&mut buffer)) {
                Step::Batch(batch) => return Some(batch),
                Step::Notice(notice) => self.observer.notice(&notice),
                Step::Failed { input, error } => self.failed(input, error, read),
                // A stop ends the wait too, and the next step then says so.
                Step::Idle => drop(self.inputs.wait()),
                Step::End => return None,
            }
        }
    }

    fn failed(&self, input: Option<usize>, error: InputError, read: &mut Read) {
        self.observer.failed(&error);
        read.failures.push((input, error));
    }
}

// === impl InFlight ===

impl InFlight {
    /// A buffer to read into, once there is one; none when nobody is left to give them back.
    fn buffer(&mut self) -> Option<Vec<u8>> {
        while self.costs.len() >= self.most {
            self.take_back()?;
        }
        Some(self.spare.pop().unwrap_or_default())
    }

    /// Waits until a batch of that cost may go its way; none as above.
    fn admit(&mut self, cost: usize) -> Option<()> {
        while !self.costs.is_empty() && self.costs.iter().sum::<usize>() + cost > BUDGET {
            self.take_back()?;
        }
        self.costs.push_back(cost);
        Some(())
    }

    fn take_back(&mut self) -> Option<()> {
        self.spare.push(self.spares.blocking_recv()?);
        self.costs.pop_front();
        Some(())
    }
}

// === impl Read ===

impl Read {
    /// Completes what the writer knows of the inputs by those of which nothing came: empty ones, and those that failed.
    pub(crate) fn complete(self, mut inputs: Vec<InputReport>) -> Vec<InputReport> {
        if inputs.len() < self.opened.len() {
            inputs.resize_with(self.opened.len(), InputReport::default);
        }
        // A file that was truncated and has held nothing since is there already.
        let named: HashSet<_> = inputs.iter().map(|input| input.path.clone()).collect();
        for (input, path) in inputs.iter_mut().zip(self.opened) {
            let path = path.map(|path| path.display().to_string()).filter(|path| !named.contains(path));
            if let Some(path) = path.filter(|_| input.path.is_empty()) {
                input.path = path;
            }
        }
        for (index, error) in self.failures {
            let index = index.unwrap_or(inputs.len());
            if index >= inputs.len() {
                inputs.resize_with(index + 1, InputReport::default);
            }
            let input = &mut inputs[index];
            if input.path.is_empty() {
                input.path = subject(&error);
            }
            input.error = Some(error.to_string());
        }
        // Inputs that were not opened before the run was stopped.
        inputs.retain(|input| !input.path.is_empty());
        inputs
    }
}

/// What an error is about.
fn subject(error: &InputError) -> String {
    match error {
        InputError::NoMatch { pattern } => pattern.clone(),
        InputError::Missing { path }
        | InputError::Unreadable { path, .. }
        | InputError::Folder { path }
        | InputError::Read { path, .. }
        | InputError::Damaged { path, .. }
        | InputError::Watch { folder: path, .. }
        | InputError::Lost { path, .. } => path.display().to_string(),
        // What concerns no single input ends a run before it reads; should it come later, its text says more.
        _ => error.to_string(),
    }
}
