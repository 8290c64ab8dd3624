//! The forms of a stage: what its handler gets, and what it makes of it.

use std::pin::Pin;
use std::sync::Arc;

use super::builder::sealed::Opened;
use super::builder::{Feed, PipelineBuilder, Staged, StartPool};
use super::outlet::Outlet;
use super::stage::StagePool;
use crate::{BoxError, Builder, FromSource, Handled, Missing, Pool, WorkContext};

impl<S: Feed, P> PipelineBuilder<S, P> {
    /// A stage: workers that run `handler` on each item, and hand on what it returns.
    ///
    /// `options` are those of its pool, such as [`workers`](Builder::workers), [`timeout`](Builder::timeout),
    /// [`on_failure`](Builder::on_failure) and [`key`](Builder::key); `|pool| pool` leaves them as they are.
    pub fn stage<F, Fut, Out, E>(
        self,
        name: impl Into<Arc<str>>,
        handler: F,
        options: impl FnOnce(
            Builder<FromSource<S::Item>, Handled<S::Item>>,
        ) -> Builder<FromSource<S::Item>, Handled<S::Item>>
        + Send
        + 'static,
    ) -> PipelineBuilder<Staged<Out>, P>
    where
        F: Fn(S::Item) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        Out: Send + 'static,
        E: Into<BoxError>,
    {
        self.described(name.into(), |source, outlet: Outlet<Out>| {
            let shared = Arc::new((handler, outlet));
            let pool = source.handler(move |item| {
                let shared = Arc::clone(&shared);
                async move {
                    let (handler, outlet) = &*shared;
                    let result = outlet.work(handler(item)).await?;
                    outlet.emit(result).await
                }
            });
            options(pool)
        })
    }

    /// A stage whose handler makes any number of results of an item, also none: to split, and to filter.
    ///
    /// They are handed on in their order, as the next queue has room. If the stage is aborted in the middle, those
    /// that were handed on stay so, and the item failed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{BoxError, Pipeline};
    /// use forebay_queue::WhenFull;
    ///
    /// let (pipeline, mut even) = Pipeline::builder()
    ///     .queue(10)
    ///     .stage_many("even", async |n: u32| Ok::<_, BoxError>((n % 2 == 0).then_some(n)), |pool| pool.workers(1))
    ///     .results(10, WhenFull::Wait)
    ///     .start()?;
    /// for n in 1..5 {
    ///     pipeline.produce(n).await?;
    /// }
    /// let report = pipeline.finish().await;
    /// assert_eq!((report.stages[0].pool.completed, report.delivered), (4, 2));
    /// assert_eq!((even.recv().await, even.recv().await, even.recv().await), (Some(2), Some(4), None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn stage_many<F, Fut, Outs, E>(
        self,
        name: impl Into<Arc<str>>,
        handler: F,
        options: impl FnOnce(
            Builder<FromSource<S::Item>, Handled<S::Item>>,
        ) -> Builder<FromSource<S::Item>, Handled<S::Item>>
        + Send
        + 'static,
    ) -> PipelineBuilder<Staged<Outs::Item>, P>
    where
        F: Fn(S::Item) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outs, E>> + Send + 'static,
        Outs: IntoIterator<Item: Send + 'static, IntoIter: Send>,
        E: Into<BoxError>,
    {
        self.described(name.into(), |source, outlet: Outlet<Outs::Item>| {
            let shared = Arc::new((handler, outlet));
            let pool = source.handler(move |item| {
                let shared = Arc::clone(&shared);
                async move {
                    let (handler, outlet) = &*shared;
                    let results = outlet.work(handler(item)).await?.into_iter();
                    for result in results {
                        outlet.emit(result).await?;
                    }
                    Ok::<(), BoxError>(())
                }
            });
            options(pool)
        })
    }

    /// A stage whose handler is given a [`WorkContext`] as well: who it is, which attempt this is, whether it is
    /// cancelled, and the way back into the queue before its stage.
    ///
    /// What it [resubmits](WorkContext::resubmit) is worked on by this stage again. There is no such way back into a
    /// source; that into a queue is closed when the stage before it has ended, or for the first queue when the pipeline is
    /// closed or [finished](super::Pipeline::finish).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{BoxError, Pipeline, WorkContext};
    ///
    /// let pipeline = Pipeline::builder()
    ///     .queue(10)
    ///     .stage_in("count down", async |cx: WorkContext<u32>, n: u32| {
    ///         if n > 1 {
    ///             cx.resubmit(n - 1).map_err(|error| error.to_string())?;
    ///         }
    ///         Ok::<u32, BoxError>(n)
    ///     }, |pool| pool.workers(1))
    ///     .queue(10)
    ///     .stage("print", async |n: u32| Ok::<(), BoxError>(println!("{n}")), |pool| pool)
    ///     .start()?;
    /// pipeline.produce(3).await?;
    /// assert_eq!(pipeline.finish_when_idle().await.delivered, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stage_in<F, Fut, Out, E>(
        self,
        name: impl Into<Arc<str>>,
        handler: F,
        options: impl FnOnce(
            Builder<FromSource<S::Item>, Handled<S::Item>>,
        ) -> Builder<FromSource<S::Item>, Handled<S::Item>>
        + Send
        + 'static,
    ) -> PipelineBuilder<Staged<Out>, P>
    where
        F: Fn(WorkContext<S::Item>, S::Item) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        Out: Send + 'static,
        E: Into<BoxError>,
    {
        self.described(name.into(), |source, outlet: Outlet<Out>| {
            let shared = Arc::new((handler, outlet));
            let pool = source.handler_in(move |context, item| {
                let shared = Arc::clone(&shared);
                async move {
                    let (handler, outlet) = &*shared;
                    let result = outlet.work(handler(context, item)).await?;
                    outlet.emit(result).await
                }
            });
            options(pool)
        })
    }

    /// A stage whose handler borrows the item, which stays where it is until its result is handed on. So it is not lost
    /// with an error, a panic or a timeout, and [`on_failure`](Builder::on_failure) may have it tried again, without a
    /// copy. The future is boxed, as for [`handler_mut`](Builder::handler_mut).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{BoxError, OnFailure, Pipeline, Retry};
    ///
    /// let pipeline = Pipeline::builder()
    ///     .queue(10)
    ///     .stage_mut("measure", |line: &mut String| Box::pin(async move {
    ///         line.push('!');
    ///         if line.len() < 5 { Err("too short") } else { Ok(line.len()) }
    ///     }), |pool| pool.on_failure(OnFailure::Retry(Retry::default())))
    ///     .queue(10)
    ///     .stage("print", async |n: usize| Ok::<(), BoxError>(println!("{n}")), |pool| pool)
    ///     .start()?;
    /// pipeline.produce("two".to_owned()).await?;
    /// let report = pipeline.finish().await;
    /// assert_eq!((report.delivered, report.stages[0].pool.retried), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn stage_mut<F, Out, E>(
        self,
        name: impl Into<Arc<str>>,
        handler: F,
        options: impl FnOnce(
            Builder<FromSource<S::Item>, Handled<S::Item>>,
        ) -> Builder<FromSource<S::Item>, Handled<S::Item>>
        + Send
        + 'static,
    ) -> PipelineBuilder<Staged<Out>, P>
    where
        F: for<'a> Fn(&'a mut S::Item) -> Pin<Box<dyn Future<Output = Result<Out, E>> + Send + 'a>>
            + Send
            + Sync
            + 'static,
        Out: Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.described(name.into(), |source, outlet: Outlet<Out>| {
            let shared = Arc::new((handler, outlet));
            let pool = source.handler_delivery(move |mut delivery| {
                let shared = Arc::clone(&shared);
                async move {
                    let (handler, outlet) = &*shared;
                    let item =
                        delivery.item_mut().expect("a source hands out deliveries that have their item");
                    let result = outlet.work(handler(item)).await?;
                    outlet.emit(result).await?;
                    delivery.ack();
                    Ok::<(), BoxError>(())
                }
            });
            options(pool)
        })
    }

    fn described<Out: Send + 'static>(
        self,
        name: Arc<str>,
        describe: impl FnOnce(
            Builder<FromSource<S::Item>, Missing>,
            Outlet<Out>,
        ) -> Builder<FromSource<S::Item>, Handled<S::Item>>
        + Send
        + 'static,
    ) -> PipelineBuilder<Staged<Out>, P> {
        let Opened { source, way, tap, tally } = self.state.open();
        let of_stage = Arc::clone(&tally);
        let open = move |outlet| -> StartPool {
            Box::new(move || {
                let source = Pool::builder().source(source).with_way_back(way);
                let mut builder = describe(source, outlet);
                // The pool's would count the time that a result waits for room.
                if let Some(timeout) = builder.take_timeout() {
                    let _ = of_stage.timeout.set(timeout);
                }
                Ok(Box::new(builder.start()?) as Box<dyn StagePool>)
            })
        };
        let state = Staged { name, tap, tally, open: Box::new(open) };
        PipelineBuilder { state, producer: self.producer, starters: self.starters }
    }
}
