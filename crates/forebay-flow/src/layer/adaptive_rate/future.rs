//! A call, from the line to what its answer says.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::Judge;
use super::line::Line;
use super::slot::Slot;
use crate::layer::work::Work;
use crate::layer::{FlowError, Refused, coop};

pin_project! {
    /// A call at a rate that is learnt. It waits for its start, drives the service's own future, and tells the rate what the
    /// answer says.
    ///
    /// # Cancel safety
    ///
    /// One that is dropped before its start leaves the line at once, and those behind it move up. One that is dropped
    /// later tells nothing.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<K, R, J> {
        // None if it was refused, and from its end on.
        #[pin]
        work: Option<K>,
        state: State<R>,
        line: Arc<Line>,
        judge: J,
        charged: bool,
    }
}

enum State<R> {
    Refused(Refused<()>, R),
    Waiting(Slot),
    Running(Instant),
    Done,
}

// === impl ResponseFuture ===

impl<K, R, J> ResponseFuture<K, R, J> {
    pub(super) fn running(work: K, line: Arc<Line>, judge: J) -> Self {
        Self { work: Some(work), state: State::Running(Instant::now()), line, judge, charged: false }
    }

    pub(super) fn waiting(slot: Slot, work: K, line: Arc<Line>, judge: J) -> Self {
        Self { work: Some(work), state: State::Waiting(slot), line, judge, charged: false }
    }

    pub(super) fn refused(refused: Refused<()>, request: R, line: Arc<Line>, judge: J) -> Self {
        Self { work: None, state: State::Refused(refused, request), line, judge, charged: false }
    }
}

impl<K, R, J, T, E> Future for ResponseFuture<K, R, J>
where
    K: Work<R, Output = Result<T, E>>,
    J: Judge<T, E>,
{
    type Output = Result<T, FlowError<E, R>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        ready!(coop::charge_once(this.charged, cx));
        if let State::Waiting(slot) = this.state {
            let turn = ready!(slot.poll(cx));
            let State::Waiting(slot) = std::mem::replace(this.state, State::Done) else {
                unreachable!("it waits")
            };
            if let Err(refused) = turn.and_then(|()| slot.start()) {
                let request = this.work.as_mut().as_pin_mut().and_then(Work::unsent);
                this.work.set(None);
                return Poll::Ready(Err(refused.with(request)));
            }
            *this.state = State::Running(Instant::now());
        }
        if let State::Running(started) = *this.state {
            let work = this.work.as_mut().as_pin_mut().expect("it runs");
            let result = ready!(work.poll(cx));
            this.work.set(None);
            *this.state = State::Done;
            this.line.learn(started.elapsed(), &this.judge.judge(result.as_ref()));
            return Poll::Ready(result.map_err(FlowError::Inner));
        }
        match std::mem::replace(this.state, State::Done) {
            State::Refused(refused, request) => Poll::Ready(Err(refused.with(Some(request)))),
            _ => panic!("polled after completion"),
        }
    }
}

impl<K, R, J> fmt::Debug for ResponseFuture<K, R, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Refused(..) => "Refused",
            State::Waiting(_) => "Waiting",
            State::Running(_) => "Running",
            State::Done => "Done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
