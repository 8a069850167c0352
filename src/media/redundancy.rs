//! How much in-band FEC the peer's reports ask for. Redundancy takes its bits from the speech itself: on a clean line that
//! costs 0.2 to 0.4 of PESQ, at a tenth lost it is worth more than 1. So it begins with a loss that is heard, and ends only
//! when the line has been clean for some reports.

/// Lost by one report.
const BEGINS: f32 = 0.025;
const CLEAN: f32 = 0.01;
/// About 20 s of reports (RFC 3550 §6.2: one in 5 s).
const CLEAN_REPORTS: u8 = 4;
/// libopus takes more redundancy no further.
const MOST: f32 = 0.3;

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Redundancy {
    #[default]
    None,
    Some {
        /// Of late: up at once, down slowly.
        loss: f32,
        /// In a row.
        clean_reports: u8,
    },
}

impl Redundancy {
    /// The peer tells what share of our packets it has lost since its last report.
    pub fn handle_report(&mut self, lost: f32) {
        *self = match *self {
            Self::None if lost < BEGINS => Self::None,
            Self::None => Self::Some {
                loss: lost,
                clean_reports: 0,
            },
            Self::Some { loss, .. } if lost >= CLEAN => Self::Some {
                loss: lost.max((3.0 * loss + lost) / 4.0),
                clean_reports: 0,
            },
            Self::Some { clean_reports, .. } if clean_reports + 1 >= CLEAN_REPORTS => Self::None,
            Self::Some {
                loss,
                clean_reports,
            } => Self::Some {
                loss: (3.0 * loss + lost) / 4.0,
                clean_reports: clean_reports + 1,
            },
        };
    }

    /// The loss to be expected, in percent; 0 for no redundancy.
    pub fn percent(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Some { loss, .. } => (loss.clamp(CLEAN, MOST) * 100.0).round() as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: &[f32]) -> u8 {
        let mut redundancy = Redundancy::default();
        for lost in reports {
            redundancy.handle_report(*lost);
        }
        redundancy.percent()
    }

    #[test]
    fn a_packet_now_and_then_is_no_reason() {
        assert_eq!(after(&[0.0, 0.02, 0.01, 0.024]), 0);
    }

    #[test]
    fn loss_is_answered_at_once() {
        assert_eq!(after(&[0.03]), 3);
        assert_eq!(after(&[0.03, 0.12]), 12);
        assert_eq!(after(&[0.9]), 30);
    }

    #[test]
    fn it_ends_only_on_a_line_that_stays_clean() {
        assert!(after(&[0.1, 0.0, 0.0, 0.0]) > 0);
        assert_eq!(after(&[0.1, 0.0, 0.0, 0.0, 0.0]), 0);
        assert!(after(&[0.1, 0.0, 0.0, 0.0, 0.02, 0.0, 0.0, 0.0]) > 0);
        assert!(after(&[0.1, 0.015, 0.015, 0.015, 0.015, 0.015]) >= 2);
    }

    #[test]
    fn between_reports_it_falls_slowly() {
        assert_eq!(after(&[0.2, 0.04]), 16);
        assert_eq!(after(&[0.2, 0.0]), 15);
    }
}
