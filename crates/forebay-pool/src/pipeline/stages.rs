//! The forms of a stage: what its handler gets, and what it makes of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use forebay_queue::Delivery;
use tower_service::Service;

use super::builder::sealed::Opened;
use super::builder::{Feed, PipelineBuilder, Staged, StartPool};
use super::outlet::Outlet;
use super::stage::StagePool;
use crate::builder::clone_of;
use crate::{BoxError, Builder, FromSource, Handled, Missing, Pool, WorkContext, WorkerId};

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
    /// that were handed on stay so, and the item failed. It is the same where the next queue or the sink refuses one of
    /// them. If the item is then tried again or goes back, with [`keep_copies`](Builder::keep_copies), those that were
    /// handed on are handed on once more.
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
    /// What it [resubmits](WorkContext::resubmit) is worked on by this stage again. Into a source there is such a way back
    /// only where the options name it ([`resubmit_to`](Builder::resubmit_to)); that into a queue is closed when the stage before it has ended, or for the first queue when the pipeline is
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
                    let result = outlet.work(handler(outlet.timed(context), item)).await?;
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

    /// A stage whose handler `make` builds for each worker: for what workers must not share, as with
    /// [`handler_per_worker`](Builder::handler_per_worker).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{BoxError, Pipeline, WorkerId};
    ///
    /// let pipeline = Pipeline::builder()
    ///     .queue(10)
    ///     .stage_per_worker("reverse", |_: WorkerId| {
    ///         let mut buffer = Vec::new(); // used again for each item
    ///         move |text: &'static str| {
    ///             buffer.clear();
    ///             buffer.extend(text.chars().rev());
    ///             let text: String = buffer.iter().collect();
    ///             async move { Ok::<_, BoxError>(text) }
    ///         }
    ///     }, |pool| pool.workers(4))
    ///     .queue(10)
    ///     .stage("print", async |text: String| Ok::<(), BoxError>(println!("{text}")), |pool| pool)
    ///     .start()?;
    /// pipeline.produce("yaberof").await?;
    /// assert_eq!(pipeline.finish().await.delivered, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stage_per_worker<M, F, Fut, Out, E>(
        self,
        name: impl Into<Arc<str>>,
        make: M,
        options: impl FnOnce(
            Builder<FromSource<S::Item>, Handled<S::Item>>,
        ) -> Builder<FromSource<S::Item>, Handled<S::Item>>
        + Send
        + 'static,
    ) -> PipelineBuilder<Staged<Out>, P>
    where
        M: Fn(WorkerId) -> F + Send + Sync + 'static,
        F: FnMut(S::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        Out: Send + 'static,
        E: Into<BoxError>,
    {
        self.described(name.into(), |source, outlet: Outlet<Out>| {
            let outlet = Arc::new(outlet);
            let pool = source.handler_per_worker(move |worker| {
                let (mut handler, outlet) = (make(worker), Arc::clone(&outlet));
                move |item| {
                    let (run, outlet) = (handler(item), Arc::clone(&outlet));
                    async move {
                        let result = outlet.work(run).await?;
                        outlet.emit(result).await
                    }
                }
            });
            options(pool)
        })
    }

    /// A stage of a clone of `service` for each worker: what it answers is handed on. An item is taken only when the clone
    /// is ready, as with [`Builder::service`], and a worker that waits for one keeps nothing that another stage may want.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::{BoxError, Pipeline};
    /// use tower::ServiceBuilder;
    /// use tower::util::service_fn;
    ///
    /// let parse = ServiceBuilder::new()
    ///     .concurrency_limit(3) // shared by all workers
    ///     .service(service_fn(async |text: &'static str| text.parse::<u32>()));
    /// let pipeline = Pipeline::builder()
    ///     .queue(10)
    ///     .stage_service("parse", parse, |pool| pool.workers(4))
    ///     .queue(10)
    ///     .stage("print", async |n: u32| Ok::<(), BoxError>(println!("{n}")), |pool| pool)
    ///     .start()?;
    /// pipeline.produce("7").await?;
    /// pipeline.produce("seven").await?;
    /// let report = pipeline.finish().await;
    /// assert_eq!((report.delivered, report.failed), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn stage_service<V>(
        self,
        name: impl Into<Arc<str>>,
        service: V,
        options: impl FnOnce(
            Builder<FromSource<S::Item>, Handled<S::Item>>,
        ) -> Builder<FromSource<S::Item>, Handled<S::Item>>
        + Send
        + 'static,
    ) -> PipelineBuilder<Staged<V::Response>, P>
    where
        V: Service<S::Item, Response: Send + 'static, Error: Into<BoxError>, Future: Send + 'static>
            + Clone
            + Send
            + 'static,
    {
        self.described(name.into(), |source, outlet: Outlet<V::Response>| {
            let (outlet, prototype) = (Arc::new(outlet), Mutex::new(service));
            let answered = move |answer: V::Future| {
                let outlet = Arc::clone(&outlet);
                async move {
                    let result = outlet.work(answer).await?;
                    outlet.emit(result).await
                }
            };
            options(source.service_then(move |_| clone_of(&prototype), answered))
        })
    }

    /// A stage that works on batches: for what is cheaper together. [`Builder::batch`] says what makes one.
    ///
    /// The handler gives back each delivery with its result, in whatever order: the result is handed on, and then the
    /// delivery is acked. What it keeps from that list it settles itself, or drops, and then it goes back, as with
    /// [`handler_batch`](Builder::handler_batch); so do all of a batch that fails.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::{BoxError, Pipeline};
    /// use forebay_queue::Delivery;
    ///
    /// /// Stores rows in one transaction, and says which numbers they got.
    /// async fn insert(rows: Vec<Delivery<String>>) -> Result<Vec<(Delivery<String>, usize)>, BoxError> {
    ///     // BEGIN; INSERT …; COMMIT
    ///     Ok(rows.into_iter().enumerate().map(|(number, row)| (row, number)).collect())
    /// }
    ///
    /// let pipeline = Pipeline::builder()
    ///     .queue(1000)
    ///     .stage_batch("insert", insert, |pool| pool.workers(2).batch(50, Duration::from_millis(10)))
    ///     .queue(10)
    ///     .stage("print", async |n: usize| Ok::<(), BoxError>(println!("{n}")), |pool| pool)
    ///     .start()?;
    /// for row in ["a", "b", "c"] {
    ///     pipeline.produce(row.to_owned()).await?;
    /// }
    /// assert_eq!(pipeline.finish().await.delivered, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stage_batch<F, Fut, Outs, Out, E>(
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
        F: Fn(Vec<Delivery<S::Item>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outs, E>> + Send + 'static,
        Outs: IntoIterator<Item = (Delivery<S::Item>, Out), IntoIter: Send>,
        Out: Send + 'static,
        E: Into<BoxError>,
    {
        self.described(name.into(), |source, outlet: Outlet<Out>| {
            let shared = Arc::new((handler, outlet));
            let pool = source.handler_batch(move |batch| {
                let shared = Arc::clone(&shared);
                async move {
                    let (handler, outlet) = &*shared;
                    let done = outlet.work(handler(batch)).await?.into_iter();
                    for (delivery, result) in done {
                        outlet.emit(result).await?;
                        delivery.ack();
                    }
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
