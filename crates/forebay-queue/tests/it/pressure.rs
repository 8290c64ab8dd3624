use std::sync::{Arc, Mutex};
use std::thread;

use forebay_queue::Pressure::{self, High, Normal};
use forebay_queue::{Level, Sender, bounded, builder, unbounded};
use forebay_testkit::Driver;

#[test]
fn rises_and_falls_with_hysteresis() {
    let (tx, mut rx) = bounded(10);
    let mut seen = Vec::new();
    for n in 0..10 {
        tx.try_send(n).expect("there is room");
        seen.push(tx.pressure());
    }
    assert_eq!(seen.iter().position(|pressure| *pressure == High), Some(8), "above 80 %");
    let mut falling = Vec::new();
    while rx.try_recv().is_ok() {
        falling.push((rx.len(), rx.pressure()));
    }
    assert_eq!(falling.iter().find(|(_, pressure)| *pressure == Normal), Some(&(1, Normal)), "below 20 %");
}

#[test]
fn change_is_told_to_each_handle_once() {
    let (tx, mut rx) = bounded(1);
    let other = tx.clone();
    let mut watching = Driver::new(tx.pressure_changed());
    watching.assert_pending();
    other.try_send(1).expect("there is room");
    assert!(watching.is_woken());
    assert_eq!(watching.assert_ready(), High);
    assert_eq!(Driver::new(other.pressure_changed()).assert_ready(), High, "it was missed, not lost");
    let mut again = Driver::new(tx.pressure_changed());
    again.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(again.assert_ready(), Normal);
}

#[test]
fn dropped_watch_has_seen_nothing() {
    let (tx, _rx) = bounded(1);
    let mut watching = Driver::new(tx.pressure_changed());
    watching.assert_pending();
    tx.try_send(1).expect("there is room");
    drop(watching);
    assert_eq!(Driver::new(tx.pressure_changed()).assert_ready(), High);
}

#[test]
fn hook_hears_of_each_crossing_once_and_in_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hook = heard.clone();
    let (tx, mut rx) = builder().capacity(1).on_pressure(move |p| hook.lock().unwrap().push(p)).build();
    let producer = thread::spawn(move || (0..500).for_each(|n| assert!(tx.blocking_send(n).is_ok())));
    while rx.blocking_recv().is_some() {}
    producer.join().expect("no panic");
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1000, "500 items through one place are 500 times full and 500 times empty");
    assert!(heard.chunks(2).all(|pair| pair == [High, Normal]));
}

#[test]
fn hook_may_use_the_queue() {
    let slot: Arc<Mutex<Option<Sender<u32>>>> = Arc::default();
    let (inside, heard) = (slot.clone(), Arc::new(Mutex::new(Vec::<Pressure>::new())));
    let hook = heard.clone();
    let (tx, mut rx) = builder()
        .capacity(2)
        .on_pressure(move |pressure| {
            hook.lock().unwrap().push(pressure);
            if pressure == Normal
                && let Some(tx) = inside.lock().unwrap().take()
            {
                // Makes it high again, inside of the hook.
                tx.try_send(8).expect("it is empty");
                tx.try_send(9).expect("there is room");
            }
        })
        .build();
    *slot.lock().unwrap() = Some(tx.clone());
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2)]);
    assert_eq!(*heard.lock().unwrap(), [High, Normal, High]);
}

#[test]
fn unbounded_is_never_under_pressure() {
    let (tx, _rx) = unbounded();
    (0..1000).for_each(|n| assert!(tx.try_send(n).is_ok()));
    assert_eq!((tx.pressure(), tx.level()), (Normal, None));
}

#[test]
fn rendezvous_is_under_pressure_while_a_sender_waits() {
    let (tx, rx) = bounded(0);
    assert_eq!((rx.pressure(), rx.level()), (Normal, Some(0.0)));
    let mut waiting = Driver::new(tx.send(1));
    waiting.assert_pending();
    assert_eq!((rx.pressure(), rx.level()), (High, Some(1.0)));
    drop(waiting);
    assert_eq!((rx.pressure(), rx.level()), (Normal, Some(0.0)));
}

#[test]
fn level_is_the_share_that_is_filled() {
    let (tx, rx) = bounded(4);
    tx.try_send(1).expect("there is room");
    assert_eq!((tx.level(), rx.level()), (Some(0.25), Some(0.25)));
}

#[test]
#[should_panic(expected = "watermarks high 0.2 and low 0.8: must be 0 <= low < high <= 1")]
fn builder_refuses_marks_out_of_order() {
    let _ = builder::<u8>().watermarks(0.2, 0.8);
}

#[test]
fn hook_is_never_run_twice_at_once() {
    use std::sync::mpsc::channel;

    let (inside, entered) = channel();
    let (go, wait) = channel();
    let (events, wait) = (Arc::new(Mutex::new(Vec::new())), Mutex::new(wait));
    let log = events.clone();
    let (tx, mut rx) = builder()
        .capacity(1)
        .on_pressure(move |pressure| {
            log.lock().unwrap().push(("enter", pressure));
            if pressure == High {
                inside.send(()).expect("the test waits for it");
                wait.lock().unwrap().recv().expect("the test sends it");
            }
            log.lock().unwrap().push(("leave", pressure));
        })
        .build();
    let filling = thread::spawn(move || tx.try_send(1).expect("there is room"));
    entered.recv().expect("the hook is told");
    assert_eq!(rx.try_recv(), Ok(1)); // crosses back while the hook is at work
    go.send(()).expect("the hook waits for it");
    filling.join().expect("no panic");
    assert_eq!(
        *events.lock().unwrap(),
        [("enter", High), ("leave", High), ("enter", Normal), ("leave", Normal)]
    );
}

#[test]
fn held_senders_rest_until_the_pressure_is_normal() {
    let (tx, mut rx) = builder().capacity(10).watermarks(1.0, 0.7).hold_senders().build();
    (0..10).for_each(|n| assert!(tx.try_send(n).is_ok()));
    let mut waiting: Vec<_> = (10..14).map(|n| Driver::new(tx.send(n))).collect();
    waiting.iter_mut().for_each(Driver::assert_pending);
    for _ in 0..3 {
        rx.try_recv().expect("something is there");
        assert!(waiting.iter().all(|sender| !sender.is_woken()), "held at {} of 10", tx.len());
    }
    rx.try_recv().expect("something is there");
    assert_eq!((tx.len(), tx.pressure()), (6, Normal));
    assert!(waiting.iter().all(Driver::is_woken), "whoever took it has let them go");
    assert!(waiting.iter_mut().all(|sender| sender.poll().is_ready()), "all of them, since there is room");
    assert_eq!((tx.len(), tx.pressure()), (10, High));
}

#[test]
fn held_queue_is_full_to_one_who_cannot_wait() {
    let (tx, mut rx) = builder().capacity(10).watermarks(1.0, 0.7).hold_senders().build();
    (0..10).for_each(|n| assert!(tx.try_send(n).is_ok()));
    for left in (7..10).rev() {
        rx.try_recv().expect("something is there");
        assert!(tx.try_send(10).is_err(), "{left} of 10 are too many");
    }
    rx.try_recv().expect("something is there");
    assert!(tx.try_send(10).is_ok());
}

#[test]
fn held_sender_that_goes_away_leaves_the_line() {
    let (tx, mut rx) = builder().capacity(2).watermarks(1.0, 0.7).hold_senders().build();
    (0..2).for_each(|n| assert!(tx.try_send(n).is_ok()));
    let mut quitter = Driver::new(tx.send(2));
    let mut stayer = Driver::new(tx.send(3));
    quitter.assert_pending();
    stayer.assert_pending();
    drop(quitter);
    assert_eq!(rx.try_recv(), Ok(0));
    assert!(stayer.poll().is_ready(), "1 of 2 is below 70 %");
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(1), Ok(3)]);
}

#[test]
fn watching_a_closed_queue_does_not_spin() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(1).expect("there is room");
    tx.close();
    let mut closed = Driver::new(tx.closed());
    closed.assert_ready();
    let watcher = rx.clone();
    assert_eq!(Driver::new(watcher.pressure_changed()).assert_ready(), High);
    let mut watching = Driver::new(watcher.pressure_changed());
    watching.assert_pending();
    watching.assert_pending();
    assert_eq!(watching.wakes(), 0);
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(watching.assert_ready(), Normal, "what is left still leaves");
}

#[test]
fn upgraded_sender_has_seen_nothing_old() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(1).expect("there is room");
    rx.try_recv().expect("it is there");
    let upgraded = tx.downgrade().upgrade().expect("tx is there");
    Driver::new(upgraded.pressure_changed()).assert_pending();
}

#[test]
fn hook_that_panics_takes_no_item_with_it() {
    let (tx, mut rx) = builder()
        .capacity(1)
        .on_pressure(|pressure| assert_ne!(pressure, Normal, "a panic on purpose"))
        .build();
    tx.try_send(1).expect("there is room");
    assert_eq!(rx.try_recv(), Ok(1));
}
