//! A network that loses, delays and reorders, the same way for the same seed.

use std::time::Duration;

use wabridge::entropy::Entropy;

#[derive(Clone, Copy, Debug)]
pub struct Impairment {
    pub loss: Loss,
    /// Each packet takes up to so much longer.
    pub jitter: Duration,
    /// As in a queue: a late packet holds up the next. Otherwise packets overtake.
    pub in_order: bool,
    /// The sender's clock against ours.
    pub drift_ppm: i32,
}

impl Impairment {
    pub const NONE: Self = Self {
        loss: Loss::None,
        jitter: Duration::ZERO,
        in_order: true,
        drift_ppm: 0,
    };
}

#[derive(Clone, Copy, Debug)]
pub enum Loss {
    None,
    /// Each packet on its own.
    Random(f64),
    /// Gilbert's two states: `share` of all packets, in runs of `length` on average.
    Bursts {
        share: f64,
        length: f64,
    },
}

pub struct Network {
    impairment: Impairment,
    entropy: Entropy,
    losing: bool,
    last: Duration,
}

impl Network {
    pub fn new(seed: u64, impairment: Impairment) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            impairment,
            entropy: Entropy::from_seed(bytes),
            losing: false,
            last: Duration::ZERO,
        }
    }

    /// When a packet that the sender's clock sends `at` arrives, if it does.
    pub fn pass(&mut self, at: Duration) -> Option<Duration> {
        let (lost, late) = (self.loses(), self.jitters());
        let sent = drifted(at, self.impairment.drift_ppm);
        let mut arrives = sent + late;
        if self.impairment.in_order {
            arrives = arrives.max(self.last);
            self.last = arrives;
        }
        (!lost).then_some(arrives)
    }

    fn loses(&mut self) -> bool {
        match self.impairment.loss {
            Loss::None => false,
            Loss::Random(share) => self.chance() < share,
            Loss::Bursts { share, length } => {
                let chance = self.chance();
                let ends = 1.0 / length;
                let begins = share * ends / (1.0 - share);
                self.losing = match self.losing {
                    true => chance >= ends,
                    false => chance < begins,
                };
                self.losing
            }
        }
    }

    fn jitters(&mut self) -> Duration {
        self.impairment.jitter.mul_f64(self.chance())
    }

    fn chance(&mut self) -> f64 {
        f64::from(self.entropy.u32()) / f64::from(u32::MAX)
    }
}

fn drifted(at: Duration, ppm: i32) -> Duration {
    at.mul_f64(1.0 - f64::from(ppm) / 1e6)
}
