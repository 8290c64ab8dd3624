//! The handler takes deliveries, and is given where items are taken: `handler_delivery` takes it.

use forebay_pool::Pool;
use forebay_queue::{Delivery, bounded};

fn main() {
    let (_tx, rx) = bounded::<u32>(1);
    let _ = Pool::builder().source(rx).handler(async |delivery: Delivery<u32>| delivery.ack());
}
