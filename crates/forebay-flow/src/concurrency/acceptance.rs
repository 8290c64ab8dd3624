//! The numbers of others' tests, from copies of tables that say where each comes from.

use std::time::Duration;

use forebay_queue::{CallEnd, Limit, Sample, Tick};
use serde::Deserialize;

use super::average::ExpAvg;
use super::vegas::log10;
use super::{Aimd, AimdConfig, Decrease, Gradient2, Gradient2Config, Vegas, VegasConfig};

#[derive(Deserialize)]
struct File<C> {
    case: Vec<C>,
}

#[derive(Deserialize)]
struct Case<P> {
    name: String,
    params: Option<P>,
    expect_start: Option<usize>,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    table: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    limit: usize,
    expect: u32,
}

#[derive(Deserialize)]
struct Step {
    at_ms: Tick,
    rtt_ms: f64,
    in_flight: usize,
    dropped: bool,
    expect_limit: usize,
}

fn read<C: for<'de> Deserialize<'de>>(text: &str) -> Vec<C> {
    let file: File<C> = toml::from_str(text).expect("the table has these fields");
    file.case
}

fn tell(limit: &mut dyn Limit, at_ms: Tick, rtt_ms: f64, in_flight: usize, dropped: bool) {
    let end = if dropped { CallEnd::Overload } else { CallEnd::Success };
    let rtt = Duration::from_secs_f64(rtt_ms / 1000.0);
    limit.update(&Sample { rtt, in_flight, end }, at_ms * 1_000_000);
}

fn walk(name: &str, limit: &mut dyn Limit, steps: &[Step]) {
    for (index, step) in steps.iter().enumerate() {
        tell(limit, step.at_ms, step.rtt_ms, step.in_flight, step.dropped);
        assert_eq!(limit.seats(), step.expect_limit, "{name}, step {index}");
    }
}

#[derive(Deserialize)]
struct AimdParams {
    initial_limit: Option<usize>,
    min_limit: Option<usize>,
    max_limit: Option<usize>,
    backoff_ratio: Option<f64>,
    timeout_ms: Option<u64>,
}

#[test]
fn aimd() {
    let cases: Vec<Case<AimdParams>> = read(include_str!("../../tests/data/aimd.toml"));
    assert_eq!(cases.len(), 10);
    for case in cases {
        let params = case.params.expect("each has some");
        let default = AimdConfig::default();
        let mut limit = Aimd::try_new(AimdConfig {
            initial: params.initial_limit.unwrap_or(20),
            min: params.min_limit.unwrap_or(20),
            max: params.max_limit.unwrap_or(200),
            backoff: params.backoff_ratio.unwrap_or(0.9),
            timeout: params.timeout_ms.map_or(default.timeout, Duration::from_millis),
        })
        .expect("in range");
        assert_eq!(Some(limit.seats()), case.expect_start, "{}", case.name);
        walk(&case.name, &mut limit, &case.steps);
    }
}

#[derive(Deserialize)]
struct VegasParams {
    initial_limit: usize,
    max_limit: usize,
    smoothing: Option<f64>,
    alpha: Option<usize>,
    beta: Option<usize>,
    decrease: Option<String>,
}

#[test]
fn vegas() {
    let cases: Vec<Case<VegasParams>> = read(include_str!("../../tests/data/vegas.toml"));
    assert_eq!(cases.iter().filter(|case| !case.steps.is_empty()).count(), 14);
    assert_eq!(cases.iter().filter(|case| !case.table.is_empty()).count(), 2);
    for case in cases {
        for row in case.table {
            assert_eq!(log10(row.limit), row.expect, "{} of {}", case.name, row.limit);
        }
        let Some(params) = case.params else { continue };
        let mut limit = Vegas::try_new(VegasConfig {
            initial: params.initial_limit,
            max: params.max_limit,
            smoothing: params.smoothing.unwrap_or(1.0),
            alpha: params.alpha,
            beta: params.beta,
            decrease: match params.decrease.as_deref() {
                Some("halve") => Decrease::Halve,
                _ => Decrease::Log10,
            },
        })
        .expect("in range");
        walk(&case.name, &mut limit, &case.steps);
    }
}

#[derive(Deserialize)]
struct AverageCase {
    name: String,
    params: AverageParams,
    steps: Vec<AverageStep>,
}

#[derive(Deserialize)]
struct AverageParams {
    window: u32,
    warmup: u32,
}

#[derive(Deserialize)]
struct AverageStep {
    add: Option<f64>,
    expect: f64,
    tolerance: f64,
}

#[test]
fn exponential_average() {
    let cases: Vec<AverageCase> = read(include_str!("../../tests/data/expavg.toml"));
    assert_eq!(cases.len(), 4);
    for AverageCase { name, params, steps } in cases {
        let new = || ExpAvg::new(params.window, params.warmup);
        let mut average = new();
        for step in steps {
            match step.add {
                Some(sample) => average.add(sample),
                None => average = new(),
            }
            let value = average.get().unwrap_or_default();
            assert!((value - step.expect).abs() <= step.tolerance, "{name}: {value}, not {}", step.expect);
        }
    }
}

#[derive(Deserialize)]
struct Scenario {
    name: String,
    algorithm: Vec<String>,
    params: ScenarioParams,
    phases: Vec<Phase>,
    bounds: Vec<Bound>,
}

#[derive(Deserialize)]
struct ScenarioParams {
    initial: usize,
    mn: usize,
    mx: usize,
}

#[derive(Deserialize)]
struct Phase {
    samples: usize,
    rtt_ms: Option<f64>,
    base_ms: Option<f64>,
    capacity: Option<f64>,
    /// `"limit"` or a number.
    in_flight: toml::Value,
    #[serde(default)]
    dropped: bool,
    every: Option<usize>,
    every_rtt_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Bound {
    phase: usize,
    kind: String,
    value: Option<f64>,
    samples: Option<usize>,
}

impl Scenario {
    /// The limits after each sample, phase by phase, each with what it was before.
    fn run(&self, limit: &mut dyn Limit) -> Vec<(f64, Vec<f64>)> {
        let mut now = 0.0;
        let phases = self.phases.iter().map(|phase| {
            let before = limit.seats() as f64;
            let limits = (0..phase.samples).map(|index| {
                let in_flight = match phase.in_flight.as_integer() {
                    Some(number) => number as usize,
                    None => limit.seats(),
                };
                let loaded = phase.base_ms.zip(phase.capacity);
                let rtt = match (phase.every, loaded) {
                    (Some(every), _) if index % every == 0 => phase.every_rtt_ms,
                    (_, Some((base, capacity))) => Some(base * (in_flight as f64 / capacity).max(1.0)),
                    _ => phase.rtt_ms,
                };
                let rtt = rtt.expect("each phase has a latency");
                now += rtt;
                tell(limit, now as Tick, rtt, in_flight, phase.dropped);
                limit.seats() as f64
            });
            (before, limits.collect())
        });
        phases.collect()
    }
}

impl Bound {
    fn holds(&self, before: f64, limits: &[f64]) -> bool {
        let value = || self.value.expect("this bound has a value");
        let samples = || self.samples.expect("this bound has samples");
        let last = limits[limits.len() - 1];
        let mut steps = [before].into_iter().chain(limits.iter().copied()).zip(limits);
        match self.kind.as_str() {
            "never_above" => limits.iter().all(|&limit| limit <= value()),
            "never_below" => limits.iter().all(|&limit| limit >= value()),
            "constant" => limits.iter().all(|&limit| limit == value()),
            "never_increases" => steps.all(|(one, next)| *next <= one),
            "max_step_up" => steps.all(|(one, next)| *next - one <= value()),
            "last_at_most" => last <= value(),
            "last_at_least" => last >= value(),
            "last_below" => last < value(),
            "at_sample_at_most" => limits[samples() - 1] <= value(),
            "after_samples_never_above" => limits[samples()..].iter().all(|&limit| limit <= value()),
            "min_at_most" => limits.iter().any(|&limit| limit <= value()),
            "mean_of_last_1000_at_least" => {
                limits[limits.len() - 1000..].iter().sum::<f64>() / 1000.0 >= value()
            }
            other => panic!("a bound of an unknown kind: {other}"),
        }
    }
}

#[test]
fn scenarios_in_which_plain_formulas_fail() {
    let scenarios: Vec<Scenario> = read(include_str!("../../tests/data/gradient2.toml"));
    let mut runs = 0;
    for scenario in scenarios {
        let ScenarioParams { initial, mn: min, mx: max } = scenario.params;
        for algorithm in &scenario.algorithm {
            let mut limit: Box<dyn Limit> = match algorithm.as_str() {
                "gradient2" => {
                    let tolerance = 1.5;
                    let config =
                        Gradient2Config { initial, min, max, tolerance, ..Gradient2Config::default() };
                    Box::new(Gradient2::try_new(config).expect("in range"))
                }
                "vegas" => {
                    let config = VegasConfig { initial, max, ..VegasConfig::default() };
                    Box::new(Vegas::try_new(config).expect("in range"))
                }
                "aimd" => {
                    // A sample of the table that is slow says so by being dropped.
                    let timeout = Duration::MAX;
                    let config = AimdConfig { initial, min, max, timeout, ..AimdConfig::default() };
                    Box::new(Aimd::try_new(config).expect("in range"))
                }
                other => panic!("an unknown algorithm: {other}"),
            };
            let phases = scenario.run(&mut *limit);
            for bound in &scenario.bounds {
                let (before, limits) = &phases[bound.phase];
                assert!(
                    bound.holds(*before, limits),
                    "{} of {algorithm}: {} {:?} in phase {}, which ends at {:?}",
                    scenario.name,
                    bound.kind,
                    bound.value,
                    bound.phase,
                    limits.last(),
                );
            }
            runs += 1;
        }
    }
    assert_eq!(runs, 12);
}
