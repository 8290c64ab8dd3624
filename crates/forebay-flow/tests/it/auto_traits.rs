//! Which services and futures cross threads.

use forebay_flow::layer::{
    AdaptiveRate, AdaptiveRateHandle, AdaptiveRateLayer, BackpressureLayer, Backpressured, ConcurrencyLimit,
    ConcurrencyLimitLayer, LimitHandle, QueuedAdaptiveRate, QueuedConcurrencyLimit, QueuedRateLimit,
    RateHandle, RateLimit, RateLimitLayer, ReservedRef, Shed, ShedLayer,
};
use forebay_flow::{Aimd, Fixed, TokenBucket, Window};
use tower::Service;

use crate::rig::Inner;

fn crosses<T: Send>() {}
fn is_shared<T: Send + Sync>() {}

#[test]
fn services_handles_and_futures_cross_threads() {
    is_shared::<ConcurrencyLimitLayer<Aimd>>();
    is_shared::<LimitHandle<Aimd>>();
    crosses::<ConcurrencyLimit<Inner, Aimd>>();
    crosses::<QueuedConcurrencyLimit<Inner, Fixed>>();
    crosses::<<ConcurrencyLimit<Inner, Aimd> as Service<&'static str>>::Future>();
    crosses::<<QueuedConcurrencyLimit<Inner, Fixed> as Service<&'static str>>::Future>();
    is_shared::<BackpressureLayer>();
    is_shared::<ShedLayer>();
    crosses::<Backpressured<Inner>>();
    crosses::<Shed<Inner>>();
    crosses::<<Shed<Inner> as Service<&'static str>>::Future>();
    is_shared::<RateLimitLayer<TokenBucket>>();
    is_shared::<RateHandle<Window>>();
    is_shared::<ReservedRef<Window>>();
    crosses::<RateLimit<Inner, TokenBucket>>();
    crosses::<QueuedRateLimit<Inner, Window>>();
    crosses::<<RateLimit<Inner, TokenBucket> as Service<&'static str>>::Future>();
    crosses::<<QueuedRateLimit<Inner, Window> as Service<&'static str>>::Future>();
    is_shared::<AdaptiveRateLayer>();
    is_shared::<AdaptiveRateHandle>();
    crosses::<AdaptiveRate<Inner>>();
    crosses::<QueuedAdaptiveRate<Inner>>();
    crosses::<<AdaptiveRate<Inner> as Service<&'static str>>::Future>();
    crosses::<<QueuedAdaptiveRate<Inner> as Service<&'static str>>::Future>();
}
