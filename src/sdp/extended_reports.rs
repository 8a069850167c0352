//! `a=rtcp-xr` (RFC 3611 §5): which extended reports go beside those of RTCP. Those that ask one side alone (loss and voice
//! quality) and those that take both (the round trip of a receiver) are sent when both descriptions name them.

/// `a=rtcp-xr` by its name.
pub(super) const ATTRIBUTE: &str = "rtcp-xr";

/// More words are not read.
const MAX_WORDS: usize = 32;

/// What one description names, or two agreed on; nothing by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExtendedReports {
    /// `rcvr-rtt`: receiver reference times, and answers to them (§4.4, §4.5).
    pub receiver_round_trip: Option<RoundTripMode>,
    /// `stat-summary` (§4.6).
    pub summary: Option<SummaryParts>,
    /// `voip-metrics` (§4.7).
    pub voip_metrics: bool,
}

/// Who answers a receiver's reference time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoundTripMode {
    All,
    /// Only who sends media.
    Sender,
}

/// What a statistics summary tells; TTL and hop limit are not known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SummaryParts {
    pub loss: bool,
    pub duplicates: bool,
    pub jitter: bool,
}

/// Whether we speak of extended reports at all: a habit of the peer's profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XrUse {
    Never,
    /// Answered where they are offered.
    IfOffered,
    /// And offered.
    Offer,
}

impl XrUse {
    /// Of our offers.
    pub(super) fn offered(self) -> ExtendedReports {
        match self {
            Self::Never | Self::IfOffered => ExtendedReports::default(),
            Self::Offer => ExtendedReports::SUPPORTED,
        }
    }

    /// Of our answer to what is `offered`.
    pub(super) fn answered(self, offered: ExtendedReports) -> ExtendedReports {
        match self {
            Self::Never => ExtendedReports::default(),
            Self::IfOffered | Self::Offer => offered.and(ExtendedReports::SUPPORTED),
        }
    }
}

impl ExtendedReports {
    /// All that we can send and read.
    const SUPPORTED: Self = Self {
        receiver_round_trip: Some(RoundTripMode::All),
        summary: Some(SummaryParts::ALL),
        voip_metrics: true,
    };

    /// Reads the value of the attribute: `rcvr-rtt=all:10000 stat-summary=loss,dup,jitt voip-metrics`. What is not
    /// known here is passed over.
    pub(super) fn parse(value: &str) -> Self {
        let mut named = Self::default();
        for word in value.split_ascii_whitespace().take(MAX_WORDS) {
            let (name, parameter) = match word.split_once('=') {
                Some((name, parameter)) => (name, Some(parameter)),
                None => (word, None),
            };
            named.set(&name.to_ascii_lowercase(), parameter);
        }
        named
    }

    fn set(&mut self, name: &str, parameter: Option<&str>) {
        match name {
            "rcvr-rtt" => self.receiver_round_trip = parameter.and_then(RoundTripMode::parse),
            "stat-summary" => self.summary = SummaryParts::parse(parameter),
            "voip-metrics" => self.voip_metrics = true,
            _ => {}
        }
    }

    /// What both name. Who answers is the narrower of the two.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            receiver_round_trip: match (self.receiver_round_trip, other.receiver_round_trip) {
                (Some(RoundTripMode::All), Some(RoundTripMode::All)) => Some(RoundTripMode::All),
                (Some(_), Some(_)) => Some(RoundTripMode::Sender),
                (None, _) | (_, None) => None,
            },
            summary: match (self.summary, other.summary) {
                (Some(one), Some(other)) => one.and(other),
                (None, _) | (_, None) => None,
            },
            voip_metrics: self.voip_metrics && other.voip_metrics,
        }
    }

    /// As the attribute's value; `None`: there is nothing to name.
    pub(super) fn to_value(self) -> Option<String> {
        let round_trip = self.receiver_round_trip.map(|mode| match mode {
            RoundTripMode::All => "rcvr-rtt=all".to_owned(),
            RoundTripMode::Sender => "rcvr-rtt=sender".to_owned(),
        });
        let summary = self.summary.map(SummaryParts::to_value);
        let voip = self.voip_metrics.then(|| "voip-metrics".to_owned());
        let words: Vec<String> = [round_trip, summary, voip].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

impl RoundTripMode {
    /// `all`, `sender:10000`: the size limits further receivers, of which there are none.
    fn parse(parameter: &str) -> Option<Self> {
        let mode = parameter.split(':').next().unwrap_or_default();
        match mode.to_ascii_lowercase().as_str() {
            "all" => Some(Self::All),
            "sender" => Some(Self::Sender),
            _ => None,
        }
    }
}

impl SummaryParts {
    const ALL: Self = Self {
        loss: true,
        duplicates: true,
        jitter: true,
    };

    /// Without flags all of it is meant. `None`: nothing that we know.
    fn parse(flags: Option<&str>) -> Option<Self> {
        let Some(flags) = flags else {
            return Some(Self::ALL);
        };
        let has = |name: &str| {
            flags
                .split(',')
                .take(MAX_WORDS)
                .any(|flag| flag.trim().eq_ignore_ascii_case(name))
        };
        Self {
            loss: has("loss"),
            duplicates: has("dup"),
            jitter: has("jitt"),
        }
        .or_nothing()
    }

    fn and(self, other: Self) -> Option<Self> {
        Self {
            loss: self.loss && other.loss,
            duplicates: self.duplicates && other.duplicates,
            jitter: self.jitter && other.jitter,
        }
        .or_nothing()
    }

    fn or_nothing(self) -> Option<Self> {
        (self.loss || self.duplicates || self.jitter).then_some(self)
    }

    fn to_value(self) -> String {
        let flags = [
            (self.loss, "loss"),
            (self.duplicates, "dup"),
            (self.jitter, "jitt"),
        ];
        let flags: Vec<&str> = flags
            .into_iter()
            .filter_map(|(named, flag)| named.then_some(flag))
            .collect();
        format!("stat-summary={}", flags.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 3611 §5.1, and what PBXs write.
    #[test]
    fn words_are_read_and_written() {
        for (value, named, written) in [
            (
                "rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics",
                ExtendedReports::SUPPORTED,
                "rcvr-rtt=all stat-summary=loss,dup,jitt voip-metrics",
            ),
            (
                "pkt-loss-rle=40 RCVR-RTT=Sender xnq",
                ExtendedReports {
                    receiver_round_trip: Some(RoundTripMode::Sender),
                    ..ExtendedReports::default()
                },
                "rcvr-rtt=sender",
            ),
            (
                "stat-summary=jitt",
                ExtendedReports {
                    summary: Some(SummaryParts {
                        loss: false,
                        duplicates: false,
                        jitter: true,
                    }),
                    ..ExtendedReports::default()
                },
                "stat-summary=jitt",
            ),
            (
                "stat-summary",
                ExtendedReports {
                    summary: Some(SummaryParts::ALL),
                    ..ExtendedReports::default()
                },
                "stat-summary=loss,dup,jitt",
            ),
        ] {
            assert_eq!(ExtendedReports::parse(value), named, "{value}");
            assert_eq!(named.to_value().as_deref(), Some(written));
        }
    }

    #[test]
    fn nonsense_names_nothing() {
        for value in [
            "",
            "=",
            "rcvr-rtt",
            "rcvr-rtt=nobody",
            "stat-summary=TTL,HL",
            "voip-metric pkt-dup-rle pkt-rcpt-times=3",
        ] {
            let named = ExtendedReports::parse(value);
            assert_eq!(named, ExtendedReports::default(), "{value}");
            assert_eq!(named.to_value(), None);
        }
    }

    #[test]
    fn both_must_name_it() {
        let sender = ExtendedReports::parse("rcvr-rtt=sender stat-summary=loss voip-metrics");
        let other = ExtendedReports::parse("rcvr-rtt=all stat-summary=dup,loss");
        let both = ExtendedReports::parse("rcvr-rtt=sender stat-summary=loss");
        assert_eq!(sender.and(other), both);
        assert_eq!(other.and(sender), both);
        assert_eq!(XrUse::Never.answered(sender), ExtendedReports::default());
        assert_eq!(XrUse::IfOffered.answered(sender), sender);
        assert_eq!(XrUse::IfOffered.offered(), ExtendedReports::default());
        let jitter = ExtendedReports::parse("stat-summary=jitt");
        assert_eq!(jitter.and(both), ExtendedReports::default());
    }
}
