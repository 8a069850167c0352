//! The outgoing clock of one side: when a frame leaves, when a frame of silence takes its place, when one is dropped.
//!
//! **Fed** (toward WhatsApp). The stream is a row of slots of 20 ms that never ends; `due` is when the next slot must
//! leave at the latest. A frame from the other side takes the next slot as it arrives, ahead of `due`; by how much is
//! the *margin* (and, with one slot, the longest time without a packet). It is the delay that the receiver sees; what else
//! the bridge adds is the rest of a frame that waits for the next packet, until `is_in_time` lets it go. At `due` with
//! nothing there, fill takes the slot.
//!
//! * Sound after silence begins with a margin of at least `CUSHION`: one more frame of fill leaves first if need be. So the
//!   ordinary jitter of a local network does not tear holes.
//! * A hole (late packet, loss, stall) is filled, and what comes late then has one frame more of margin. So the margin
//!   grows to what the peer's jitter needs and no further than `MARGIN_MAX`: of a burst beyond that, frames wait and leave
//!   one in a slot.
//! * When for `WINDOW` no frame was nearer to its slot than `EXCESS`, what is above `CUSHION` is `surplus`: whoever makes the
//!   frames is to leave out so much, where it is not heard, or a frame at a time to let them wait and become less there. So
//!   delay left over from a burst, or from a peer whose clock runs fast, is given back.
//!
//! **Following** (toward a PBX). Nothing is made up: a frame leaves as it arrives, and the receiver's jitter buffer sees
//! the sender's own rhythm. Timestamps skip what the sender skipped: by its timestamps within one run of packets, by the
//! clock when it began anew.

use std::time::{Duration, Instant};

use crate::media::shorten::Need;
use crate::media::ticks::Ticks;

const FRAME: Duration = Duration::from_millis(20);
const CUSHION: Duration = Duration::from_millis(10);
/// A packet of 60 ms and the jitter of a bad network.
const MARGIN_MAX: Duration = Duration::from_millis(80);
const EXCESS: Duration = Duration::from_millis(20);
/// One second.
const WINDOW: u32 = 50;
/// Frames that the search for a good place to leave something out may take.
const PATIENCE: u32 = 25;
/// So many slots of fill are silence; fewer are a hole in speech, which more fill would only widen.
const SILENCE: u32 = 5;
/// After a halt of the whole machine the clock is set anew instead of sending a burst.
const HALT: Duration = Duration::from_millis(100);
/// A following stream is set anew by the clock when its timestamps claim so much more than has passed.
const IMPLAUSIBLE: Duration = Duration::from_millis(200);
/// Lateness that is jitter and not a pause.
const JITTER: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Fed,
    Following,
}

/// A frame at hand, as the sender's stream describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub length: Ticks,
    /// What the sender left out before it.
    pub gap: Gap,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gap {
    None,
    /// By its timestamps.
    Silence(Ticks),
    /// Another run of packets: how long the pause was only the clock can tell.
    Unknown,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Send it, after a frame of fill.
    FillFirst,
    /// Send it; timestamps skip so much before it.
    Send { skip: Ticks },
    /// Not yet: enough is ahead of the clock.
    Wait,
    /// Nothing may leave.
    Closed,
}

pub struct Pacer {
    mode: Mode,
    clock: Clock,
    last: Last,
    watch: Watch,
    /// Of the last frame of sound.
    margin: Duration,
}

/// `due` is the latest time of the next slot (fed), or when the next frame would follow without a pause.
#[derive(Clone, Copy)]
enum Clock {
    Stopped { due: Option<Instant> },
    Running { due: Instant },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// So many slots in a row.
    Fill(u32),
    Sound,
}

/// Looks for margin that nothing needs.
#[derive(Clone, Copy)]
struct Watch {
    lowest: Duration,
    /// The lowest of the last whole window.
    before: Option<Duration>,
    /// Since it began to look.
    frames: u32,
    /// What it found when it last looked, less what was left out since.
    surplus: Ticks,
}

impl Pacer {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            clock: Clock::Stopped { due: None },
            last: Last::Fill(SILENCE),
            watch: Watch::NEW,
            margin: Duration::ZERO,
        }
    }

    /// The first slot is now. Returns what timestamps skip, if this is a resumption.
    pub fn start(&mut self, now: Instant) -> Ticks {
        let skip = match self.clock {
            Clock::Stopped { due: None } => Ticks::ZERO,
            Clock::Stopped { due: Some(due) } => pause(due, now),
            Clock::Running { .. } => return Ticks::ZERO,
        };
        self.clock = Clock::Running { due: now };
        self.last = Last::Fill(SILENCE);
        self.watch = Watch::NEW;
        skip
    }

    /// Nothing may leave any more.
    pub fn stop(&mut self) {
        let due = self.due().or(match self.clock {
            Clock::Stopped { due } => due,
            Clock::Running { .. } => None,
        });
        self.clock = Clock::Stopped { due };
    }

    pub fn is_running(&self) -> bool {
        matches!(self.clock, Clock::Running { .. })
    }

    pub fn is_fed(&self) -> bool {
        self.mode == Mode::Fed
    }

    /// Nothing could ever leave so far.
    pub fn is_untouched(&self) -> bool {
        matches!(self.clock, Clock::Stopped { due: None })
    }

    /// What is ahead of the clock for nothing, and how urgently it should be left out.
    pub fn surplus(&self) -> (Ticks, Need) {
        let need = match self.watch.frames < PATIENCE {
            true => Need::Slight,
            false => Need::Absolute,
        };
        (self.watch.surplus, need)
    }

    /// Of late every frame was there before its slot; without slots none is late.
    pub fn is_in_time(&self) -> bool {
        match self.mode {
            Mode::Following => true,
            Mode::Fed => self.watch.before.is_some_and(|lowest| !lowest.is_zero()),
        }
    }

    /// By how much the last frame of sound was ahead of its slot, and the most that one may be.
    pub fn margin(&self) -> Duration {
        self.margin
    }

    pub fn most_margin(&self) -> Duration {
        match self.mode {
            Mode::Fed => MARGIN_MAX,
            Mode::Following => Duration::ZERO,
        }
    }

    /// So much was left out of what is to be sent.
    pub fn leave_out(&mut self, ticks: Ticks) {
        self.watch.surplus = self.watch.surplus - ticks;
        self.watch.frames = 0;
        self.watch.lowest = Duration::MAX;
        let left = |before: Duration| before.saturating_sub(ticks.duration());
        self.watch.before = self.watch.before.map(left);
    }

    /// When the next slot leaves whatever there is.
    pub fn due(&self) -> Option<Instant> {
        match self.clock {
            Clock::Stopped { .. } => None,
            Clock::Running { due } => Some(due),
        }
    }

    /// An event takes the slots from now on. Returns what timestamps skip.
    pub fn begin_event(&mut self, now: Instant) -> Ticks {
        let Some(due) = self.due() else {
            return Ticks::ZERO;
        };
        self.set_due(due.max(now));
        pause(due, now)
    }

    /// Takes the next slot if it is due; `sound`: for a frame that waited.
    pub fn take_due(&mut self, now: Instant, sound: bool) -> bool {
        let Some(due) = self.due().filter(|due| *due <= now) else {
            return false;
        };
        let halted = now.duration_since(due) > HALT;
        self.set_due(if halted { now } else { due } + FRAME);
        self.last = match self.last {
            _ if sound => Last::Sound,
            Last::Fill(slots) => Last::Fill(slots.saturating_add(1)),
            Last::Sound => Last::Fill(1),
        };
        true
    }

    /// The slots of a loss that is passed on pass unused.
    pub fn lose(&mut self, lost: Ticks) {
        if let Some(due) = self.due() {
            self.set_due(due + lost.duration());
        }
    }

    /// A frame of sound is at hand; its slot is taken, with `FillFirst` also the one before.
    pub fn admit(&mut self, now: Instant, frame: Candidate) -> Verdict {
        match (self.mode, self.clock) {
            (_, Clock::Stopped { .. }) => Verdict::Closed,
            (Mode::Fed, Clock::Running { due }) => self.admit_fed(now, due.max(now), frame),
            (Mode::Following, Clock::Running { due }) => self.follow(now, due, frame),
        }
    }

    fn admit_fed(&mut self, now: Instant, due: Instant, frame: Candidate) -> Verdict {
        let margin = due - now;
        if margin > MARGIN_MAX {
            return Verdict::Wait;
        }
        let resumes = match self.last {
            Last::Fill(slots) => slots >= SILENCE,
            Last::Sound => false,
        };
        self.last = Last::Sound;
        if resumes {
            self.watch = Watch::NEW;
        }
        if resumes && margin < CUSHION {
            self.margin = margin + FRAME;
            self.set_due(due + FRAME + frame.length.duration());
            return Verdict::FillFirst;
        }
        self.margin = margin;
        self.watch.see(margin);
        self.set_due(due + frame.length.duration());
        Verdict::Send { skip: Ticks::ZERO }
    }

    fn follow(&mut self, now: Instant, due: Instant, frame: Candidate) -> Verdict {
        let passed = now.saturating_duration_since(due);
        let skip = match frame.gap {
            Gap::None => Ticks::ZERO,
            Gap::Silence(gap) if gap.duration() <= passed + IMPLAUSIBLE => gap,
            Gap::Silence(_) | Gap::Unknown => pause(due, now),
        };
        self.set_due(due + (skip + frame.length).duration());
        self.last = Last::Sound;
        Verdict::Send { skip }
    }

    fn set_due(&mut self, due: Instant) {
        self.clock = Clock::Running { due };
    }
}

/// Whole frames between `due` and `now`, if that is more than jitter.
fn pause(due: Instant, now: Instant) -> Ticks {
    let passed = now.saturating_duration_since(due);
    if passed <= JITTER {
        return Ticks::ZERO;
    }
    Ticks::in_duration(passed).whole_frames()
}

impl Watch {
    const NEW: Self = Self {
        lowest: Duration::MAX,
        before: None,
        frames: 0,
        surplus: Ticks::ZERO,
    };

    fn see(&mut self, margin: Duration) {
        self.lowest = self.lowest.min(margin);
        self.frames += 1;
        if self.frames >= WINDOW {
            let excess = Some(self.lowest).filter(|lowest| *lowest >= EXCESS);
            let surplus = excess.map_or(Duration::ZERO, |lowest| lowest - CUSHION);
            *self = Self {
                surplus: Ticks::in_duration(surplus),
                before: Some(self.lowest),
                ..Self::NEW
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Candidate = Candidate {
        length: Ticks::FRAME,
        gap: Gap::None,
    };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    struct Fed {
        pacer: Pacer,
        start: Instant,
        fills: u32,
        sounds: u32,
        waiting: u32,
        left_out: Ticks,
    }

    impl Fed {
        fn new() -> Self {
            let start = Instant::now();
            let mut pacer = Pacer::new(Mode::Fed);
            pacer.start(start);
            Self {
                pacer,
                start,
                fills: 0,
                sounds: 0,
                waiting: 0,
                left_out: Ticks::ZERO,
            }
        }

        fn run_to(&mut self, at: Duration) {
            while let Some(due) = self.pacer.due().filter(|due| *due <= self.start + at) {
                let waited = self.waiting > 0;
                assert!(self.pacer.take_due(due, waited));
                match waited {
                    true => self.waiting -= 1,
                    false => self.fills += 1,
                }
            }
        }

        /// A frame comes. Whole frames are left out: where there is less than one too much, all of it stays.
        fn sound(&mut self, at: Duration) {
            self.run_to(at);
            let (surplus, _) = self.pacer.surplus();
            if surplus >= Ticks::FRAME {
                self.pacer.leave_out(Ticks::FRAME);
                self.left_out += Ticks::FRAME;
                return;
            }
            match self.pacer.admit(self.start + at, SOUND) {
                Verdict::FillFirst => {
                    self.fills += 1;
                    self.sounds += 1;
                }
                Verdict::Send { skip } => {
                    assert_eq!(skip, Ticks::ZERO);
                    self.sounds += 1;
                }
                Verdict::Wait => self.waiting += 1,
                Verdict::Closed => panic!("it runs"),
            }
        }

        /// How far the stream is ahead of the clock.
        fn margin(&self, at: Duration) -> Duration {
            self.pacer.due().unwrap() - (self.start + at)
        }
    }

    #[test]
    fn silence_every_20_ms_from_the_start() {
        let mut fed = Fed::new();
        fed.run_to(ms(0));
        assert_eq!(fed.fills, 1);
        fed.run_to(ms(999));
        assert_eq!(fed.fills, 50);
    }

    #[test]
    fn steady_sound_takes_every_slot_whatever_its_phase() {
        for phase in 0..20 {
            let mut fed = Fed::new();
            for n in 5..500 {
                fed.sound(ms(20 * n + phase));
            }
            assert_eq!((fed.sounds, fed.waiting), (495, 0), "phase {phase}");
            assert_eq!(fed.left_out, Ticks::ZERO, "phase {phase}");
            assert!(fed.fills <= 7, "phase {phase}: {} fills", fed.fills);
        }
    }

    #[test]
    fn jitter_below_the_cushion_makes_no_hole() {
        let mut fed = Fed::new();
        fed.sound(ms(100));
        let before = fed.fills;
        for n in 1..500 {
            fed.sound(ms(100 + 20 * n + n * 7 % 10));
        }
        assert_eq!((fed.fills, fed.left_out), (before, Ticks::ZERO));
    }

    #[test]
    fn burst_after_a_stall_waits_and_its_delay_is_given_back() {
        let mut fed = Fed::new();
        for n in 0..100 {
            fed.sound(ms(20 * n));
        }
        for _ in 0..50 {
            fed.sound(ms(3_000));
        }
        assert!(fed.margin(ms(3_000)) <= MARGIN_MAX + FRAME);
        assert!(fed.waiting >= 45);
        fed.waiting = 0;
        for n in 1..400 {
            fed.sound(ms(3_000 + 20 * n));
        }
        assert!(fed.margin(ms(10_980)) <= EXCESS + FRAME);
        assert_eq!(fed.waiting, 0);
    }

    #[test]
    fn fast_peer_never_builds_up_delay() {
        let mut fed = Fed::new();
        for n in 0..20_000u64 {
            let at = Duration::from_micros(19_980 * n);
            fed.sound(at);
            assert!(fed.margin(at) <= MARGIN_MAX + FRAME);
        }
        let left_out = fed.left_out.frames();
        assert!((15..25).contains(&left_out), "{left_out} left out");
    }

    #[test]
    fn slow_peer_costs_a_fill_now_and_then() {
        let mut fed = Fed::new();
        for n in 0..20_000u64 {
            fed.sound(Duration::from_micros(20_020 * n));
        }
        assert_eq!(fed.left_out, Ticks::ZERO);
        assert!((15..30).contains(&fed.fills), "{} fills", fed.fills);
    }

    #[test]
    fn halted_machine_sends_no_burst() {
        let mut fed = Fed::new();
        fed.run_to(ms(100));
        let late = fed.start + ms(5_000);
        assert!(fed.pacer.take_due(late, false));
        assert!(!fed.pacer.take_due(late, false));
    }

    #[test]
    fn following_skips_what_the_sender_skipped() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Mode::Following);
        assert_eq!(pacer.start(start), Ticks::ZERO);
        let mut admit = |at: u64, gap| pacer.admit(start + ms(at), Candidate { gap, ..SOUND });
        let send = |frames: u32| Verdict::Send {
            skip: Ticks(frames * Ticks::FRAME.0),
        };
        assert_eq!(admit(0, Gap::None), send(0));
        assert_eq!(admit(35, Gap::None), send(0));
        assert_eq!(admit(1_040, Gap::Silence(Ticks(8_000))), send(50));
        assert_eq!(admit(1_060, Gap::Silence(Ticks(80_000_000))), send(0));
        assert_eq!(admit(3_080, Gap::Unknown), send(100));
    }
}
