//! `data/fairness.toml`: schedules and bounds that an independent script has computed.

use forebay_priority::{Class, Discipline, Entry, FairByKey, Key, Share, Tenant, WeightedFair};
use serde::Deserialize;

#[derive(Deserialize)]
struct Tables {
    drr: Vec<Drr>,
    stride: Vec<Stride>,
}

#[derive(Deserialize)]
struct Drr {
    name: String,
    quantum: Vec<u32>,
    #[serde(default)]
    costs: Vec<Vec<u32>>,
    #[serde(default)]
    costs_each: Vec<u32>,
    #[serde(default)]
    items: Vec<usize>,
    #[serde(default)]
    cost_pattern: Vec<Vec<u32>>,
    #[serde(default)]
    expect_order: Vec<String>,
    #[serde(default)]
    expect_round: Vec<usize>,
    #[serde(default)]
    expect_deficit_at_round_end: Vec<Vec<u64>>,
    #[serde(default)]
    expect_count_after_30: Vec<usize>,
    #[serde(default)]
    rounds: u64,
    #[serde(default)]
    max_cost: u64,
    #[serde(default)]
    expect_cost_served: Vec<u64>,
    #[serde(default)]
    fairness_measure_bound: f64,
    #[serde(default)]
    fairness_measure_reached: f64,
}

#[derive(Deserialize)]
struct Stride {
    name: String,
    #[serde(default)]
    tickets: Vec<u32>,
    #[serde(default)]
    tickets_first: u32,
    #[serde(default)]
    tickets_others: u32,
    #[serde(default)]
    others: usize,
    #[serde(default)]
    picks: usize,
    #[serde(default)]
    expect_count: Vec<usize>,
    #[serde(default)]
    expect_count_first: usize,
    #[serde(default)]
    expect_count_each_other: usize,
    #[serde(default)]
    expect_order: String,
    pair_error_bound: Option<f64>,
    pair_error_reached: Option<f64>,
    absolute_error_reached: Option<f64>,
    absolute_error_of_first_reached: Option<f64>,
    #[serde(default)]
    phases: Vec<Phase>,
    #[serde(default)]
    expect_count_last_phase: Vec<usize>,
    #[serde(default)]
    picks_before: usize,
    #[serde(default)]
    then_rejoin_and_pick: usize,
    #[serde(default, rename = "expect_total_of_A")]
    expect_total_of_a: usize,
    #[serde(default)]
    tolerance: usize,
}

#[derive(Deserialize)]
struct Phase {
    picks: usize,
    on: Vec<String>,
}

fn tables() -> Tables {
    toml::from_str(include_str!("../data/fairness.toml")).expect("the table is well formed")
}

fn letter(at: usize) -> char {
    char::from(b'A' + at as u8)
}

/// A discipline, and of each id the flow and the cost.
struct Run<D: Discipline> {
    line: D,
    known: Vec<(usize, u32)>,
}

impl<D: Discipline> Run<D> {
    fn new(line: D) -> Self {
        Self { line, known: Vec::new() }
    }

    fn send(&mut self, flow: usize, cost: u32, rank: D::Rank) {
        let seq = self.known.len();
        self.known.push((flow, cost));
        self.line.insert(Entry::new(seq as u32, rank, seq as u64, 0));
    }

    fn next(&mut self) -> Option<(usize, u32)> {
        self.line.next(0).map(|id| self.known[id as usize])
    }
}

fn drr(quantum: &[u32]) -> Run<WeightedFair> {
    let shares = quantum.iter().enumerate().map(|(at, quantum)| (letter(at).to_string(), *quantum));
    Run::new(WeightedFair::new(shares).expect("in range"))
}

impl Drr {
    /// What a flow has to send at first.
    fn costs(&self, flow: usize) -> Vec<u32> {
        match self.costs.get(flow) {
            Some(costs) => costs.clone(),
            None => vec![self.costs_each[flow]; self.items[flow]],
        }
    }

    /// The flows, and before them one that sends one item in each round and so shows where it begins: flows do not
    /// concern each other, but for when it is whose turn. Tells in which round each of the others' items is sent.
    fn rounds(&self, costs: &[Vec<u32>], items: usize) -> Vec<(usize, (usize, u32))> {
        let mut run = drr(&[&[1], self.quantum.as_slice()].concat());
        // Nobody takes more rounds than the largest item of all needs.
        (0..10 * items).for_each(|_| run.send(0, 1, share(0, 1)));
        for (flow, costs) in costs.iter().enumerate() {
            costs.iter().for_each(|cost| run.send(flow + 1, *cost, share(flow + 1, *cost)));
        }
        let mut begun = 0;
        let mut rounds = Vec::new();
        while rounds.len() < items {
            match run.next().expect("somebody waits") {
                (0, _) => begun += 1,
                (flow, cost) => rounds.push((begun - 1, (flow - 1, cost))),
            }
        }
        rounds
    }
}

fn share(flow: usize, cost: u32) -> Share {
    Share::new(Class::new(flow as u16), cost)
}

#[test]
fn deficit_round_robin_sends_in_the_order_of_the_table() {
    let mut seen = 0;
    for case in tables().drr.into_iter().filter(|case| !case.expect_order.is_empty()) {
        let mut run = drr(&case.quantum);
        for flow in 0..case.quantum.len() {
            case.costs(flow).into_iter().for_each(|cost| run.send(flow, cost, share(flow, cost)));
        }
        let with_cost = case.expect_order[0].len() > 1;
        let shown = |(flow, cost): (usize, u32)| match with_cost {
            true => format!("{}{cost}", letter(flow)),
            false => letter(flow).to_string(),
        };
        let order: Vec<_> = std::iter::from_fn(|| run.next()).take(case.expect_order.len()).collect();
        assert_eq!(order.iter().copied().map(shown).collect::<Vec<_>>(), case.expect_order, "{}", case.name);
        for (flow, expected) in case.expect_count_after_30.iter().enumerate() {
            assert_eq!(order.iter().take(30).filter(|one| one.0 == flow).count(), *expected, "{}", case.name);
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn deficit_round_robin_sends_in_the_rounds_of_the_table() {
    let mut seen = 0;
    for case in tables().drr.into_iter().filter(|case| !case.expect_round.is_empty()) {
        let costs: Vec<_> = (0..case.quantum.len()).map(|flow| case.costs(flow)).collect();
        let sent = case.rounds(&costs, case.expect_round.len());
        let rounds: Vec<_> = sent.iter().map(|(round, _)| *round).collect();
        assert_eq!(rounds, case.expect_round, "{}", case.name);
        for (round, expected) in case.expect_deficit_at_round_end.iter().enumerate() {
            let deficits = (0..case.quantum.len()).map(|flow| {
                let so_far = sent.iter().filter(|(at, (whose, _))| *at <= round && *whose == flow);
                let served: Vec<_> = so_far.map(|(_, (_, cost))| u64::from(*cost)).collect();
                let given = (round as u64 + 1) * u64::from(case.quantum[flow]);
                // Who has nothing left to send saves up nothing.
                if served.len() == costs[flow].len() { 0 } else { given - served.iter().sum::<u64>() }
            });
            assert_eq!(deficits.collect::<Vec<_>>(), *expected, "{}, round {round}", case.name);
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn flow_is_served_its_quantum_in_each_round_give_or_take_an_item() {
    for case in tables().drr.into_iter().filter(|case| case.rounds > 0) {
        let costs: Vec<Vec<_>> = case
            .cost_pattern
            .iter()
            .map(|pattern| pattern.iter().copied().cycle().take(4000).collect())
            .collect();
        let mut served = vec![0; costs.len()];
        let mut last = 0;
        for (round, (flow, cost)) in case.rounds(&costs, 2000) {
            while last < round {
                last += 1;
                for (served, quantum) in served.iter().zip(&case.quantum) {
                    let fair = last as u64 * u64::from(*quantum);
                    assert!(fair.abs_diff(*served) <= case.max_cost, "{}, {last} rounds", case.name);
                }
            }
            served[flow] += u64::from(cost);
        }
        assert!(last as u64 >= case.rounds, "{}: {last}", case.name);
    }
}

/// What the flows were served, in the order of the schedule.
fn served(case: &Drr) -> Vec<(usize, u32)> {
    let mut run = drr(&case.quantum);
    let total: u64 = case.quantum.iter().map(|quantum| u64::from(*quantum) * (case.rounds + 2)).sum();
    for flow in 0..case.quantum.len() {
        let mut queued = 0;
        for cost in case.cost_pattern[flow].iter().cycle() {
            run.send(flow, *cost, share(flow, *cost));
            queued += u64::from(*cost);
            if queued > total {
                break;
            }
        }
    }
    let all: u64 = case.expect_cost_served.iter().sum();
    let mut sum = 0;
    std::iter::from_fn(|| run.next())
        .take_while(|(_, cost)| {
            sum += u64::from(*cost);
            sum <= all
        })
        .collect()
}

#[test]
fn deficit_round_robin_keeps_the_bounds_of_the_table() {
    let mut seen = 0;
    for case in tables().drr.into_iter().filter(|case| case.rounds > 0) {
        let served = served(&case);
        let least = f64::from(*case.quantum.iter().min().expect("there are flows"));
        let mut sums = vec![0_u64; case.quantum.len()];
        // The fairness of any stretch: how far the difference of each pair ranges.
        let mut ranges = vec![(0.0_f64, 0.0_f64); sums.len() * sums.len()];
        for (flow, cost) in served {
            sums[flow] += u64::from(cost);
            for one in 0..sums.len() {
                for other in 0..sums.len() {
                    let part = |at: usize| sums[at] as f64 / (f64::from(case.quantum[at]) / least);
                    let difference = part(one) - part(other);
                    let range = &mut ranges[one * sums.len() + other];
                    *range = (range.0.min(difference), range.1.max(difference));
                }
            }
        }
        for (flow, sum) in sums.iter().enumerate() {
            let fair = case.rounds * u64::from(case.quantum[flow]);
            assert!(sum.abs_diff(fair) <= case.max_cost, "{}: {flow} was served {sum} of {fair}", case.name);
            assert_eq!(*sum, case.expect_cost_served[flow], "{}", case.name);
        }
        let worst = ranges.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
        assert!(worst <= case.fairness_measure_bound, "{}: {worst}", case.name);
        assert!((worst - case.fairness_measure_reached).abs() < 1e-6, "{}: {worst}", case.name);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

fn tenant(flow: usize, tickets: u32) -> Tenant {
    Tenant::of(Key::of(&flow)).weight(tickets)
}

/// Who was picked, pick by pick.
fn picks(tickets: &[u32], picks: usize) -> Vec<usize> {
    let mut run = Run::new(FairByKey::new());
    for (flow, tickets) in tickets.iter().enumerate() {
        (0..picks).for_each(|_| run.send(flow, 1, tenant(flow, *tickets)));
    }
    std::iter::from_fn(|| run.next()).take(picks).map(|(flow, _)| flow).collect()
}

/// The same picks, where of those that were due at the same time the lower one was first.
///
/// # Panics
///
/// If one was picked before another that was due earlier.
fn lower_first(picked: &[usize], tickets: &[u32]) -> Vec<usize> {
    let all: u64 = tickets.iter().copied().map(u64::from).product();
    let mut picks = vec![0; tickets.len()];
    let due = picked.iter().map(|&flow| {
        picks[flow] += 1;
        (picks[flow] * all / u64::from(tickets[flow]), flow)
    });
    let mut due: Vec<_> = due.collect();
    assert!(due.is_sorted_by_key(|(due, _)| due), "{picked:?}");
    due.sort_unstable();
    due.into_iter().map(|(_, flow)| flow).collect()
}

#[test]
fn fair_by_key_picks_as_stride_scheduling_does() {
    let mut seen = 0;
    for case in tables().stride.into_iter().filter(|case| case.pair_error_bound.is_some()) {
        let bound = case.pair_error_bound.expect("filtered") + 1e-5;
        let tickets = match case.tickets.is_empty() {
            true => [vec![case.tickets_first], vec![case.tickets_others; case.others]].concat(),
            false => case.tickets.clone(),
        };
        let picked = picks(&tickets, case.picks);
        let mut counts = vec![0_usize; tickets.len()];
        let all: f64 = tickets.iter().copied().map(f64::from).sum();
        let (mut pair_error, mut errors) = (0.0_f64, vec![0.0_f64; tickets.len()]);
        for (before, flow) in picked.iter().enumerate() {
            counts[*flow] += 1;
            for (error, (count, tickets)) in errors.iter_mut().zip(counts.iter().zip(&tickets)) {
                let fair = (before + 1) as f64 * f64::from(*tickets) / all;
                *error = error.max((*count as f64 - fair).abs());
            }
            // Of a hundred that are alike, the pairs with the first say it all.
            let others = 0..counts.len();
            for other in others.filter(|other| counts.len() < 10 || *flow == 0 || *other == 0) {
                let both = (counts[*flow] + counts[other]) as f64;
                let fair = both * f64::from(tickets[*flow]) / f64::from(tickets[*flow] + tickets[other]);
                let error = if *flow == other { 0.0 } else { (counts[*flow] as f64 - fair).abs() };
                assert!(error <= bound, "{}: {flow} against {other}: {error}", case.name);
                pair_error = pair_error.max(error);
            }
        }
        // The table has them rounded.
        let reached = |what: f64, expected: Option<f64>| {
            assert!(expected.is_none_or(|expected| (what - expected).abs() < 1e-6), "{}: {what}", case.name);
        };
        reached(pair_error, case.pair_error_reached);
        reached(errors.iter().copied().fold(0.0, f64::max), case.absolute_error_reached);
        reached(errors[0], case.absolute_error_of_first_reached);
        if !case.expect_order.is_empty() {
            // Ties are ours to decide.
            let order: String = lower_first(&picked, &tickets).into_iter().map(letter).collect();
            assert_eq!(order, case.expect_order, "{}", case.name);
        }
        if case.others > 0 {
            assert_eq!(counts[0], case.expect_count_first, "{}", case.name);
            assert!(counts[1..].iter().all(|count| *count == case.expect_count_each_other), "{}", case.name);
        } else {
            assert_eq!(counts, case.expect_count, "{}", case.name);
        }
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn key_that_was_away_has_saved_up_nothing() {
    let case = tables().stride.into_iter().find(|case| !case.phases.is_empty()).expect("in the table");
    let mut line = FairByKey::new();
    let mut waiting: Vec<Entry<Tenant>> = Vec::new();
    let (mut seq, mut counts) = (0, [0_usize; 2]);
    let flow_of = |entry: &Entry<Tenant>| usize::from(entry.rank != tenant(0, case.tickets[0]));
    for phase in &case.phases {
        counts = [0; 2];
        let on = |flow: usize| phase.on.iter().any(|on| *on == letter(flow).to_string());
        // Who is off has nobody waiting.
        waiting.retain(|entry| on(flow_of(entry)) || !line.remove(*entry));
        for _ in 0..phase.picks {
            for flow in (0..2).filter(|flow| on(*flow)) {
                while waiting.iter().filter(|entry| flow_of(entry) == flow).count() < 2 {
                    let entry = Entry::new(seq as u32, tenant(flow, case.tickets[flow]), seq, 0);
                    seq += 1;
                    line.insert(entry);
                    waiting.push(entry);
                }
            }
            let id = line.next(0).expect("somebody waits");
            let at = waiting.iter().position(|entry| entry.id == id).expect("it was inserted");
            counts[flow_of(&waiting.remove(at))] += 1;
        }
    }
    for (count, expected) in counts.iter().zip(&case.expect_count_last_phase) {
        assert!(count.abs_diff(*expected) <= case.tolerance, "{counts:?}");
    }
}

#[test]
fn key_that_leaves_and_comes_again_gains_nothing() {
    let case = tables().stride.into_iter().find(|case| case.then_rejoin_and_pick > 0).expect("in the table");
    let mut line = FairByKey::new();
    let mut seq = 0;
    let mut insert = |line: &mut FairByKey, flow: usize| {
        let entry = Entry::new(flow as u32, tenant(flow, case.tickets[flow]), seq, 0);
        seq += 1;
        line.insert(entry);
        entry
    };
    let mut entries = [insert(&mut line, 0), insert(&mut line, 1)];
    let mut of_a = 0;
    for pick in 0..case.picks_before + case.then_rejoin_and_pick {
        if pick >= case.picks_before {
            assert!(line.remove(entries[0]));
            entries[0] = insert(&mut line, 0);
        }
        let flow = line.next(0).expect("both wait") as usize;
        of_a += usize::from(flow == 0);
        entries[flow] = insert(&mut line, flow);
    }
    assert!(of_a.abs_diff(case.expect_total_of_a) <= case.tolerance, "{of_a}");
}
