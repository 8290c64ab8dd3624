use forebay_queue::{ItemSink, SinkError, WhenFull, bounded, builder};
use forebay_testkit::Driver;

#[test]
fn queue_is_a_sink() {
    let (tx, mut rx) = bounded(3);
    let sink: Box<dyn ItemSink<u32>> = Box::new(tx);
    Driver::new(sink.send(1)).assert_ready().expect("there is room");
    let mut batch = vec![2, 3, 4];
    let mut sending = Driver::new(sink.send_many(&mut batch));
    sending.assert_pending();
    drop(sending);
    assert_eq!(batch, [4]);
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2), Ok(3)]);
}

#[test]
fn refused_item_comes_back_in_the_error() {
    let (tx, rx) = builder().capacity(1).when_full(WhenFull::Refuse).build();
    tx.try_send(1).expect("there is room");
    let full = Driver::new(ItemSink::send(&tx, 2)).assert_ready().unwrap_err();
    assert_eq!((full.to_string().as_str(), full.into_item()), ("sink full", Some(2)));
    rx.close();
    let closed = Driver::new(ItemSink::send(&tx, 3)).assert_ready().unwrap_err();
    assert!(matches!(closed, SinkError::Closed(Some(3))));
}
