//! The relief valve of a worker: under pressure some of its calls are encoded with less effort, and the busier it is the
//! more of them. So a full core bends long before a call is refused, and no call is touched without need.

/// Busier than this, more calls give something up.
const BUSY: f32 = 0.75;
/// Idler than this, calls are given it back.
const EASY: f32 = 0.60;
/// Busier than this there is no time for steps.
const PRESSED: f32 = 0.88;

#[derive(Default)]
pub struct Valve {
    /// Share of the calls that are relieved.
    open: f32,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Turn {
    Unmoved,
    /// It was shut.
    Opened,
    Moved,
    Shut,
}

impl Valve {
    /// After each second: how busy the worker was in it.
    pub fn turn(&mut self, busy: f32) -> Turn {
        let before = self.open;
        let step = match busy {
            busy if busy >= PRESSED => 1.0,
            busy if busy > BUSY => (busy - BUSY) * 2.0 + 0.05,
            busy if busy < EASY => (busy - EASY) / 2.0,
            _ => 0.0,
        };
        self.open = (before + step).clamp(0.0, 1.0);
        match (before > 0.0, self.open > 0.0) {
            _ if before == self.open => Turn::Unmoved,
            (false, true) => Turn::Opened,
            (true, false) => Turn::Shut,
            (true, true) | (false, false) => Turn::Moved,
        }
    }

    /// The share of the calls that are relieved, 0.0-1.0.
    pub fn open(&self) -> f32 {
        self.open
    }

    /// Whether it is for the call that is `index` among `calls`.
    pub fn relieves(&self, index: usize, calls: usize) -> bool {
        (index as f32) < self.open * calls as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker whose calls cost 1/3 when they are relieved; how busy it is, and which part of them is, after a while.
    fn settle(demand: f32) -> (f32, f32) {
        let mut valve = Valve::default();
        let busy = |open: f32| (demand * (1.0 - open * 0.6)).min(1.0);
        let mut last = Vec::new();
        for second in 0..300 {
            valve.turn(busy(valve.open));
            if second >= 280 {
                last.push(valve.open);
            }
        }
        let swing = last
            .iter()
            .fold(0.0f32, |most, open| most.max((open - last[0]).abs()));
        assert!(swing < 0.05, "{demand}: it swings, {last:?}");
        (busy(valve.open), valve.open)
    }

    #[test]
    fn who_is_not_busy_gives_nothing_up() {
        assert_eq!(settle(0.7), (0.7, 0.0));
    }

    #[test]
    fn pressure_is_held_below_the_limit_by_as_few_calls_as_it_needs() {
        for demand in [0.8, 1.0, 1.3] {
            let (busy, open) = settle(demand);
            assert!((0.55..=0.76).contains(&busy), "{demand}: {busy}");
            assert!(open > 0.05, "{demand}: {open}");
        }
        assert!(settle(0.8).1 < settle(1.3).1);
    }

    #[test]
    fn sudden_pressure_opens_it_at_once_and_calm_shuts_it() {
        let mut valve = Valve::default();
        assert_eq!(valve.turn(0.95), Turn::Opened);
        assert!((0..10).all(|index| valve.relieves(index, 10)));
        let turns: Vec<Turn> = (0..20).map(|_| valve.turn(0.2)).collect();
        assert!(turns.contains(&Turn::Shut));
        assert_eq!(turns.last(), Some(&Turn::Unmoved));
        assert!(!valve.relieves(0, 10));
    }
}
