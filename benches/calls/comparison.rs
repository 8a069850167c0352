//! The bridge's figures beside those of rtpengine, from the same run.

use std::fmt;
use std::time::Duration;

use crate::report::{Report, milliseconds};

pub struct Comparison<'a> {
    pub bridge: &'a Report,
    pub other: &'a Report,
    /// Of the codec by itself, for a second of a call.
    pub codec: Option<Duration>,
}

const SHARES: [f64; 3] = [0.5, 0.99, 0.999];

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| | CPU ms a call and second | calls a core | added delay p50 / p99 / p99.9 ms | kB a call | packets missing |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for report in [self.bridge, self.other] {
            let cost = milliseconds(report.processor());
            let [half, most, nearly_all] = report.added_delays(SHARES).map(milliseconds);
            writeln!(
                f,
                "| {} | {cost:.2} | {:.0} | {half:.1} / {most:.1} / {nearly_all:.1} | {:.0} | {} |",
                report.subject(),
                1e3 / cost,
                report.memory() as f64 / 1e3,
                report.missing(),
            )?;
        }
        if let Some(codec) = self.codec.map(milliseconds) {
            writeln!(
                f,
                "| libopus alone | {codec:.2} | {:.0} | | | |",
                1e3 / codec
            )?;
        }
        let ratio = self.other.processor().as_secs_f64() / self.bridge.processor().as_secs_f64();
        writeln!(
            f,
            "\n{ratio:.2} times the calls of {} on one core",
            self.other.subject()
        )
    }
}
