//! Long runs of `Strict` beside a model that is told by numbers alone: deep queues, high bounds, many classes, and settings
//! that change meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_priority::{Class, Classes, Discipline, Entry, Shelf, Strict, Tick};

use crate::models::Promotion;
use crate::shares::random;

/// Each that waits, by its class and number, and by its turn.
#[derive(Default)]
struct Model {
    lines: BTreeMap<(u16, u64), Waiting>,
    turns: BTreeMap<u64, (u16, u64)>,
    came: u64,
    promotion: Promotion,
}

#[derive(Clone, Copy)]
struct Waiting {
    turn: u64,
    since: Tick,
    id: u32,
}

impl Model {
    fn join(&mut self, class: u16, seq: u64, since: Tick, id: u32) {
        self.lines.insert((class, seq), Waiting { turn: self.came, since, id });
        self.turns.insert(self.came, (class, seq));
        self.came += 1;
    }

    fn leave(&mut self, place: (u16, u64)) -> Waiting {
        let waiting = self.lines.remove(&place).expect("it waits");
        self.turns.remove(&waiting.turn);
        waiting
    }

    /// The first class whose first item came first.
    fn waited(&self, now: Tick, patience: Option<Tick>) -> Option<(u16, u64)> {
        let patience = patience?;
        let firsts = self.lines.iter().filter(|&(&(class, seq), _)| {
            self.lines.range((class, 0)..).next().is_some_and(|(&first, _)| first == (class, seq))
        });
        let (&place, first) = firsts.min_by_key(|(_, waiting)| waiting.since)?;
        (now - first.since >= patience).then_some(place)
    }

    fn next(&mut self, now: Tick, after: Option<u64>, patience: Option<Tick>) -> Option<(u16, u64)> {
        let left = self.came - self.lines.len() as u64;
        let oldest = self.turns.keys().next().copied();
        self.promotion.look(after, self.came, left, oldest);
        let due = self.turns.range(..self.promotion.due_below);
        let due = due.min_by_key(|&(turn, (class, _))| (*class, *turn)).map(|(_, &place)| place);
        let first = || self.lines.first_key_value().map(|(&place, _)| place);
        due.or_else(|| self.waited(now, patience)).or_else(first)
    }
}

/// The discipline by itself, and its shelf.
struct Both {
    line: Strict,
    shelf: <Strict as Discipline>::Shelf<u32>,
}

/// The settings: `None` is nobody, and no clock.
type Settings = (Option<u64>, Option<Tick>);

fn settled(line: Strict, (after, patience): Settings) -> Strict {
    let line = match after {
        Some(after) => line.promote_after(after).expect("not 0"),
        None => line.promote_nobody(),
    };
    match patience {
        Some(patience) => line.promote_after_waiting(Duration::from_nanos(patience)),
        None => line,
    }
}

/// How those who come and go are chosen, for some time.
#[derive(Debug, Clone, Copy)]
struct Phase {
    /// So many wait in the end.
    depth: usize,
    /// One of so many steps is neither that one comes nor that one is next.
    odd: u64,
    /// Which classes come: one of the last in so many.
    low: u64,
    /// Who is removed: the oldest, the youngest, or anybody.
    whence: u64,
}

struct Run {
    seed: u64,
    classes: u16,
    both: Both,
    model: Model,
    settings: Settings,
    is_timed: bool,
    now: Tick,
    seq: u64,
    /// Who was taken out, and may come back.
    taken: Vec<(u16, u64, Tick)>,
}

impl Run {
    fn new(seed: u64, classes: u16, most: u64, is_timed: bool) -> Self {
        let names = Classes::new((0..classes).map(|class| class.to_string())).expect("named once each");
        let mut seed = seed;
        let settings = (Some(1 + random(&mut seed) % most), is_timed.then_some(100));
        let line = settled(Strict::new(names), settings);
        let both = Both { shelf: line.clone().into(), line };
        let model = Model::default();
        Self { seed, classes, both, model, settings, is_timed, now: 0, seq: 0, taken: Vec::new() }
    }

    fn any(&mut self, of: u64) -> u64 {
        random(&mut self.seed) % of
    }

    fn class(&mut self, phase: Phase) -> u16 {
        let classes = u64::from(self.classes);
        let class = match phase.low {
            0 => self.any(classes),
            low if self.any(low) == 0 => classes - 1 - self.any(1 + classes / 8),
            _ => self.any(1 + classes / 8),
        };
        class as u16
    }

    fn join(&mut self, class: u16) {
        let (seq, id) = (self.seq, self.model.came as u32);
        self.seq += 1;
        self.now += u64::from(self.is_timed);
        let since = if self.is_timed { self.now } else { 0 };
        self.model.join(class, seq, since, id);
        self.both.line.insert(Entry::new(id, Class::new(class), seq, since));
        self.both.shelf.insert(Class::new(class), seq, since, id);
    }

    fn come_back(&mut self, class: u16) {
        if self.taken.is_empty() {
            return;
        }
        let at = self.any(self.taken.len() as u64) as usize;
        let (was, seq, since) = self.taken.swap_remove(at);
        let class = if self.any(2) == 0 { was } else { class };
        self.put_back(class, seq, since);
    }

    fn put_back(&mut self, class: u16, seq: u64, since: Tick) {
        let id = self.model.came as u32;
        self.model.join(class, seq, since, id);
        self.both.line.put_back(Entry::new(id, Class::new(class), seq, since));
        self.both.shelf.put_back(Class::new(class), seq, since, id);
    }

    fn next(&mut self) {
        let (after, patience) = self.settings;
        let model = self.model.next(self.now, after, patience);
        let id = model.map(|place| self.model.lines[&place].id);
        let next = self.both.shelf.next(self.now);
        assert_eq!(
            next.map(|(entry, id)| (entry.seq, id)),
            model.map(|(_, seq)| seq).zip(id),
            "on the shelf"
        );
        assert_eq!(self.both.line.next(self.now), id);
        if let Some(place) = model {
            let Waiting { since, .. } = self.model.leave(place);
            self.take((place.0, place.1, since));
        }
    }

    fn take(&mut self, taken: (u16, u64, Tick)) {
        if self.taken.len() < 50 {
            self.taken.push(taken);
        } else {
            let at = self.any(50) as usize;
            self.taken[at] = taken;
        }
    }

    /// Removes one, and perhaps puts it into another class.
    fn remove(&mut self, phase: Phase) {
        let turns = &self.model.turns;
        let place = match phase.whence {
            0 => turns.first_key_value().map(|(_, &place)| place),
            1 => turns.last_key_value().map(|(_, &place)| place),
            2 => self.model.lines.last_key_value().map(|(&place, _)| place),
            _ => {
                let from = random(&mut self.seed) % self.model.came.max(1);
                let from = if phase.whence == 3 { from } else { self.model.came.saturating_sub(from % 200) };
                turns.range(from..).next().map(|(_, &place)| place)
            }
        };
        let Some((class, seq)) = place else { return };
        if phase.whence == 2 {
            let last = self.both.line.last();
            assert_eq!(last, Some(self.model.lines[&(class, seq)].id));
        }
        let Waiting { since, id, .. } = self.model.leave((class, seq));
        let entry = Entry::new(id, Class::new(class), seq, since);
        assert!(self.both.line.remove(entry));
        assert_eq!(self.both.shelf.remove(entry), Some(id));
        if self.any(2) == 0 {
            let class = self.class(phase);
            self.put_back(class, seq, since);
        } else {
            self.take((class, seq, since));
        }
    }

    /// Other settings, as a queue changes them while it is in use.
    fn retune(&mut self, most: u64) {
        let after = (self.any(4) > 0).then(|| 1 + self.any(most));
        let patience = (self.is_timed && self.any(2) == 0).then(|| 1 + self.any(2 * most));
        self.settings = (after, patience);
        self.model.promotion.look_at = 0;
        let names = self.both.line.class_names().clone();
        *self.both.shelf.discipline_mut() = settled(Strict::new(names), self.settings);
        // Here a clock that is read once is read for ever.
        let patience = self.is_timed.then_some(patience.unwrap_or(u64::MAX));
        self.both.line = settled(self.both.line.clone(), (after, patience));
    }

    fn play(&mut self, phase: Phase, steps: u64) {
        for _ in 0..steps {
            if self.any(phase.odd) == 0 {
                let class = self.class(phase);
                if self.any(2) == 0 {
                    self.remove(phase)
                } else {
                    self.come_back(class)
                }
                continue;
            }
            let waits = self.model.lines.len();
            // A step away from the depth is as likely as not; towards it, three times as likely.
            let joins = if waits < phase.depth { 3 } else { 1 };
            if self.any(4) < joins {
                let class = self.class(phase);
                self.join(class);
            } else {
                self.next();
            }
        }
        assert_eq!(self.both.shelf.len(), self.model.lines.len());
    }
}

/// So many phases, of so many steps each.
fn play(seed: u64, classes: u16, most: u64, is_timed: bool, (phases, steps): (u64, u64)) {
    let mut run = Run::new(seed, classes, most, is_timed);
    for _ in 0..phases {
        let deepest = [1, 10, 100, 3000][run.any(4) as usize];
        let phase = Phase {
            depth: run.any(deepest) as usize,
            odd: [2, 20, 1000, 1 << 40][run.any(4) as usize],
            low: [0, 2, 100, 2000][run.any(4) as usize],
            whence: run.any(5),
        };
        let steps = run.any(2 * steps);
        run.play(phase, steps);
        if run.any(3) == 0 {
            run.retune(most);
        }
    }
    while !run.model.lines.is_empty() {
        run.next();
    }
    run.next();
}

#[test]
fn strict_agrees_with_its_model_for_long() {
    for (nth, classes) in [1, 3, 65, 300, 5000].into_iter().enumerate() {
        for most in [5, 300, 3000] {
            play(nth as u64 + most, classes, most, false, (10, 2000));
        }
    }
    play(1, 3, 300, true, (10, 100));
}
