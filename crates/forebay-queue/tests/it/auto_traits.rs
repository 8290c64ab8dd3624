use std::cell::Cell;

use forebay_queue::{Builder, Delivery, ItemSink, Permit, Receiver, Sender, Source, WeakSender, bounded};

fn assert_send<T: Send>() {}
fn assert_sync<T: Sync>() {}
fn is_send<T: Send>(_: &T) {}

/// Sendable but not shareable, as many items are.
type Item = Cell<u8>;

#[test]
fn handles_cross_threads() {
    assert_send::<Sender<Item>>();
    assert_sync::<Sender<Item>>();
    assert_send::<Receiver<Item>>();
    assert_sync::<Receiver<Item>>();
    assert_send::<WeakSender<Item>>();
    assert_sync::<WeakSender<Item>>();
    assert_send::<Permit<'static, Item>>();
    assert_send::<Delivery<Item>>();
    assert_send::<Builder<Item>>();
}

#[test]
fn futures_can_be_spawned() {
    let (tx, mut rx) = bounded::<Item>(1);
    let mut batch = Vec::new();
    is_send(&tx.send(Cell::new(1)));
    is_send(&tx.send_many(&mut batch));
    is_send(&tx.reserve());
    is_send(&tx.pressure_changed());
    is_send(&rx.recv());
    is_send(&rx.recv_many(&mut batch, 1));
}

#[test]
fn source_and_sink_are_object_safe() {
    let (tx, rx) = bounded::<u8>(1);
    let _: Box<dyn Source<Item = u8>> = Box::new(rx);
    let _: Box<dyn ItemSink<u8>> = Box::new(tx);
}
