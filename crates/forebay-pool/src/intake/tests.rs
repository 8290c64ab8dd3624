//! The line of workers, poll by poll: the tests are the workers, and count which are woken.

use std::sync::Arc;
use std::task::{Context, Poll};

use forebay_queue::SourceError;
use forebay_testkit::{CountingWaker, RecordingSource, Script, assert_pending, assert_ready};

use super::{Command, Intake, StockPlan};
use crate::hands::{Hands, RunEnd, Settlements, Terms};
use crate::{Backoff, WorkerId};

/// An intake whose workers exist only as wakers.
struct Line {
    intake: Intake<u32>,
    hands: Vec<Arc<Hands<u32>>>,
    wakers: Vec<Arc<CountingWaker>>,
    supervisor: Arc<CountingWaker>,
    script: Script<u32>,
}

impl Line {
    fn of(workers: usize) -> Self {
        let (source, script) = RecordingSource::builder().never_ending().build();
        Self::over(source, script, workers)
    }

    fn over(source: RecordingSource<u32>, script: Script<u32>, workers: usize) -> Self {
        let backoff = Backoff::default();
        let terms = Arc::new(Terms {
            redelivers: false,
            max_attempts: 5,
            backoff,
            on_failure: None,
            keyed: false,
            batches: false,
            order: None,
            losses: None,
        });
        let settlements = Arc::new(Settlements::default());
        let hands: Vec<_> = (0..workers)
            .map(|index| Arc::new(Hands::new(WorkerId(index), Arc::clone(&terms), Arc::clone(&settlements))))
            .collect();
        Self {
            intake: Intake::new(Box::new(source), hands.iter().cloned(), settlements, StockPlan::default()),
            hands,
            wakers: (0..workers).map(|_| CountingWaker::new()).collect(),
            supervisor: CountingWaker::new(),
            script,
        }
    }

    fn take(&self, seat: usize) -> Poll<bool> {
        let waker = self.wakers[seat].waker();
        self.intake.poll_take(seat, &mut Context::from_waker(&waker))
    }

    /// What the worker of `seat` does with an item that it was given.
    fn work(&self, seat: usize) -> u32 {
        let item = self.hands[seat].keep();
        self.hands[seat].finish(&RunEnd::Done);
        item
    }

    fn wakes(&self) -> Vec<usize> {
        self.wakers.iter().map(|waker| waker.wakes()).collect()
    }

    fn duties(&self) -> Poll<super::Outage> {
        let waker = self.supervisor.waker();
        self.intake.poll_duties(&mut Context::from_waker(&waker))
    }
}

#[test]
fn the_demand_is_who_waits() {
    let line = Line::of(3);
    for seat in 0..3 {
        assert_pending(line.take(seat));
    }
    assert_eq!(line.script.record().demands, [1, 2, 3]);
}

#[test]
fn an_item_wakes_the_lead_and_nobody_else() {
    let line = Line::of(3);
    for seat in 0..3 {
        assert_pending(line.take(seat));
    }
    line.script.push(7);
    assert_eq!(line.wakes(), [1, 0, 0]);
    assert!(assert_ready(line.take(0)));
    assert_eq!(line.work(0), 7);
    assert_eq!(line.wakes(), [1, 0, 0], "the others have nothing to do");
}

#[test]
fn the_next_one_leads_when_the_lead_is_served() {
    let line = Line::of(2);
    assert_pending(line.take(0));
    assert_pending(line.take(1));
    line.script.push(7);
    assert!(assert_ready(line.take(0)));

    // The lead is busy now. The next item must find the other one.
    line.script.push(8);
    assert_eq!(line.wakes(), [1, 1]);
    assert!(assert_ready(line.take(1)));
    assert_eq!(line.work(1), 8);
}

#[test]
fn who_runs_takes_before_who_must_be_woken() {
    let line = Line::of(2);
    assert_pending(line.take(0));
    line.script.push(7);
    assert!(assert_ready(line.take(1)), "worker 1 is running, and takes it");
    // The lead was called for nothing, and still leads.
    assert_pending(line.take(0));
    line.script.push(8);
    assert_eq!(line.wakes(), [2, 0]);
    assert!(assert_ready(line.take(0)));
}

#[test]
fn several_items_are_spread_over_those_that_wait() {
    let line = Line::of(4);
    for seat in 0..4 {
        assert_pending(line.take(seat));
    }
    for item in 0..3 {
        line.script.push(item);
    }
    assert!(assert_ready(line.take(0)));
    // The youngest two were given one each; worker 1 leads now.
    assert_eq!(line.wakes(), [1, 0, 1, 1]);
    assert!(assert_ready(line.take(2)));
    assert!(assert_ready(line.take(3)));
    line.script.push(3);
    assert_eq!(line.wakes(), [1, 1, 1, 1]);
    assert_eq!(line.script.record().most_outstanding, 3);
}

#[test]
fn a_lead_that_goes_away_passes_the_lead_on() {
    let line = Line::of(2);
    assert_pending(line.take(0));
    assert_pending(line.take(1));
    line.intake.leave(0);
    assert_eq!(line.wakes(), [0, 1], "the next one is to ask");
    assert_pending(line.take(1));
    line.script.push(7);
    assert_eq!(line.wakes(), [0, 2]);
    assert!(assert_ready(line.take(1)));
}

#[test]
fn a_lead_that_was_called_and_goes_away_strands_nothing() {
    let line = Line::of(2);
    assert_pending(line.take(0));
    assert_pending(line.take(1));
    line.script.push(7);
    line.intake.leave(0);
    assert_eq!(line.wakes(), [1, 1]);
    assert!(assert_ready(line.take(1)));
}

#[test]
fn a_worker_that_was_served_and_goes_away_gives_the_item_back() {
    let line = Line::of(2);
    assert_pending(line.take(0));
    assert_pending(line.take(1));
    line.script.push(7);
    line.script.push(8);
    assert!(assert_ready(line.take(0)));
    // Worker 1 was given 8, and is cancelled before it has noticed.
    line.intake.leave(1);
    line.hands[1].abandon();
    assert_eq!(line.script.remaining(), 1);
    let (tally, held, _) = line.hands[1].account();
    assert_eq!((tally.taken, tally.returned, held), (1, 1, 0));
}

#[test]
fn everybody_who_waits_learns_of_the_end() {
    let line = Line::of(3);
    assert_pending(line.take(0));
    assert_pending(line.take(1));
    let waker = line.wakers[2].waker();
    assert_pending(line.intake.poll_over(2, &mut Context::from_waker(&waker)));

    line.script.end();
    assert!(!assert_ready(line.take(0)));
    assert_eq!(line.wakes(), [1, 1, 1]);
    assert!(!assert_ready(line.take(1)));
    assert_ready(line.intake.poll_over(2, &mut Context::from_waker(&waker)));
}

#[test]
fn an_outage_is_the_supervisors_until_it_reopens() {
    let line = Line::of(1);
    assert_pending(line.duties());
    line.script.fail(SourceError::Unavailable("away".into()));
    line.script.push(7);
    assert_pending(line.take(0));
    assert_pending(line.take(0));
    assert_eq!(line.script.record().demands.len(), 1, "a source that is away is not asked");

    assert_eq!(line.supervisor.wakes(), 1);
    assert_eq!(assert_ready(line.duties()).failures, 1);
    assert_pending(line.duties());
    line.intake.reopen();
    assert_eq!(line.wakes(), [1]);
    assert!(assert_ready(line.take(0)));
}

#[test]
fn who_is_to_leave_passes_the_lead_on() {
    let line = Line::of(2);
    assert_pending(line.take(1));
    assert_pending(line.take(0));
    line.intake.obey(Command::Resize(1));
    assert_eq!(line.wakes(), [0, 1], "who leaves is told");
    line.script.push(7);
    assert_eq!(line.wakes(), [1, 1], "the source has the waker of who stays");
    assert!(!assert_ready(line.take(1)));
    assert!(assert_ready(line.take(0)));
}

#[test]
fn who_is_to_leave_and_was_served_starts_its_item_first() {
    let line = Line::of(2);
    assert_pending(line.take(0));
    assert_pending(line.take(1));
    line.script.push(7);
    line.script.push(8);
    assert!(assert_ready(line.take(0)));
    line.intake.obey(Command::Resize(1));
    assert!(assert_ready(line.take(1)), "8 is in its hands");
    assert_eq!(line.work(1), 8);
    assert!(!assert_ready(line.take(1)));
}

#[test]
fn a_pause_asks_for_nothing_and_its_end_asks_again() {
    let line = Line::of(1);
    line.intake.obey(Command::Pause(None));
    assert_pending(line.take(0));
    line.script.push(7);
    assert_eq!((line.script.record().demands.len(), line.wakes()), (0, vec![0]));
    line.intake.obey(Command::Resume);
    assert_eq!(line.wakes(), [1]);
    assert!(assert_ready(line.take(0)));
}

#[test]
fn who_comes_back_sees_to_settlements_without_waking_anybody() {
    let line = Line::of(1);
    assert_pending(line.duties());
    line.script.push(7);
    assert!(assert_ready(line.take(0)));
    line.script.hold_settlements();
    line.work(0);
    let polls = line.script.record().settled_polls;
    assert_pending(line.take(0));
    assert_eq!(line.script.record().settled_polls, polls + 1);
    assert!(!line.intake.is_settled());

    // It is the supervisor who goes on with it.
    line.script.release_settlements();
    assert_eq!((line.supervisor.wakes(), line.wakes()), (1, vec![0]));
    assert_pending(line.duties());
    assert!(line.intake.is_settled());
}
