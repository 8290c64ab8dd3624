//! Newest first while calls wait: the line of a limit is as `Turns` decide.

use std::collections::{BTreeMap, BTreeSet};

use forebay_flow::layer::{ConcurrencyLimitLayer, FlowError, Why};
use forebay_flow::{Fixed, Turn, TurnOrder, Turns};
use forebay_testkit::Driver;

use crate::rig::{Rig, refusal};

#[test]
fn the_newest_is_served_first_and_the_oldest_is_shed_and_woken() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued().newest_first().max_waiting(2);
    let mut rig = Rig::new(&layer);
    let mut calls = ["a", "b", "c"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    let mut newest = rig.call("d");
    newest.assert_pending();
    let [mut first, mut oldest, mut older] = calls;
    assert!(oldest.is_woken() && !older.is_woken());
    assert_eq!(refusal(oldest.assert_ready()), (Why::Overload, Some("b")));
    rig.answer("A");
    first.assert_ready().expect("it was answered");
    assert!(newest.is_woken() && !older.is_woken());
    newest.assert_pending();
    assert_eq!(rig.requests(), ["d"]);
    older.assert_pending();
    let stats = layer.handle().stats();
    assert_eq!((stats.shed, stats.admitted, stats.waiting, stats.refused), (1, 2, 1, 0));
}

#[test]
fn who_was_shed_and_is_dropped_gives_back_nothing() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued().newest_first().max_waiting(1);
    let mut rig = Rig::new(&layer);
    let mut calls = ["a", "b"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    let [_running, shed] = calls;
    let _waiting = rig.call("c");
    drop(shed);
    let stats = layer.handle().stats();
    assert_eq!((stats.in_use, stats.waiting, stats.left), (1, 1, 0));
}

#[test]
fn where_nobody_may_wait_nobody_is_shed() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued().newest_first().max_waiting(0);
    let mut rig = Rig::new(&layer);
    let _running = rig.call("a");
    assert_eq!(refusal(rig.call("b").assert_ready()), (Why::Full, Some("b")));
}

/// `Turns` is tested with the tables of .NET's limiters.
#[test]
fn whatever_happens_the_same_ones_are_served_and_shed_as_turns_decide() {
    let layer = ConcurrencyLimitLayer::new(Fixed(2)).queued().newest_first().max_waiting(3);
    let mut rig = Rig::new(&layer);
    let mut turns = Turns::new(2, 3, TurnOrder::NewestFirst);
    let (mut running, mut shed, mut tickets) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let (mut calls, mut answers, mut seen_shed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut random = 1_u64;
    for _ in 0..3000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = (random >> 33) as usize;
        let name: &'static str = Box::leak(draw.to_string().into_boxed_str());
        let waiting: Vec<&str> = tickets.keys().copied().collect();
        let at_work: Vec<&str> = running.iter().copied().collect();
        let mut granted = Vec::new();
        match draw % 4 {
            0 | 1 => {
                let mut call = rig.call(name);
                assert!(call.poll().is_pending());
                calls.insert(name, call);
                match turns.acquire(name, 1) {
                    Turn::Granted(who) => granted.push(who),
                    Turn::Waits { ticket, shed: gone } => {
                        tickets.insert(name, ticket);
                        shed.extend(gone);
                    }
                    other => panic!("it may wait: {other:?}"),
                }
            }
            2 if !at_work.is_empty() => {
                let name = at_work[draw / 4 % at_work.len()];
                running.remove(name);
                let answer: tower_test::mock::SendResponse<_> = answers.remove(name).expect("it is at work");
                answer.send_response("done");
                calls.remove(name).expect("it is there").assert_ready().expect("it was answered");
                granted = turns.release(1);
            }
            3 if !waiting.is_empty() => {
                let name = waiting[draw / 4 % waiting.len()];
                calls.remove(name);
                if let Some(ticket) = tickets.remove(name) {
                    granted = turns.leave(ticket).1;
                }
            }
            _ => {}
        }
        running.extend(granted);
        tickets.retain(|name, _| !running.contains(name) && !shed.contains(name));
        calls.retain(|&name, call| {
            let ended = if call.is_woken() { call.poll() } else { std::task::Poll::Pending };
            if let std::task::Poll::Ready(Err(FlowError::Refused(refused))) = &ended {
                assert_eq!((refused.why, refused.request), (Why::Overload, Some(name)));
                seen_shed.insert(name);
            }
            ended.is_pending()
        });
        answers.extend(std::iter::from_fn(|| rig.next()));
        assert!(answers.keys().eq(&running), "at work are {:?}, not {running:?}", answers.keys());
        assert_eq!(seen_shed, shed);
        assert_eq!(layer.handle().stats().waiting, tickets.len());
    }
    assert!(shed.len() > 100, "it was not full often");
}
