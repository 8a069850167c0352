//! What one party has to say about one call.

use std::time::Duration;

use crate::sim::media::Heard;
use crate::sim::score::{self, Score};
use crate::sim::sip::{Message, Start};
use crate::sim::speech::{self, Voice};
use crate::sim::verdict::Verdict;
use crate::sim::wav::Audio;

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub call_id: String,
    pub outcome: Outcome,
    /// From the INVITE to its final answer.
    pub setup: Option<Duration>,
    /// From the answer to the first packet heard, and to the first that was no silence.
    pub first_packet: Option<Duration>,
    pub first_sound: Option<Duration>,
    /// From the answer to the end.
    pub talked: Duration,
    pub heard: Heard,
    pub score: Option<Score>,
    pub verdict: Verdict,
    /// Headers of the INVITE that this party was called with; empty for the caller.
    pub called_with: Vec<(String, String)>,
    /// What the caller was told, first and last.
    pub provisionals: Vec<u16>,
    pub told: Option<Told>,
    /// Reason of the far side's BYE.
    pub bye_reason: Option<String>,
    pub transfer: Option<Transferred>,
}

/// The final response to an INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    pub status: u16,
    pub phrase: String,
    /// Each with its values as they were written.
    pub warning: Option<String>,
    pub reason: Option<String>,
    pub retry_after: Option<String>,
}

/// What became of a REFER.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transferred {
    /// Its own final response.
    pub refer: Option<u16>,
    /// Statuses of the NOTIFYs that followed.
    pub notified: Vec<u16>,
}

/// How a call went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    /// Nothing was heard of it.
    #[default]
    Lost,
    /// It could not even be tried.
    Unreachable(String),
    Refused {
        status: u16,
        reason: String,
    },
    /// The caller gave up.
    Cancelled,
    /// Challenged twice.
    Unauthorized,
    Answered {
        ended: Ended,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// This party hung up.
    Here,
    There,
    /// The far side's media was missing too long.
    Starved,
    /// No ACK came.
    NoAck,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost => f.write_str("no final answer"),
            Self::Unreachable(why) => write!(f, "not reachable: {why}"),
            Self::Refused { status, reason } => write!(f, "refused with {status} {reason}"),
            Self::Cancelled => f.write_str("cancelled by the caller"),
            Self::Unauthorized => f.write_str("challenged again after the right answer"),
            Self::Answered { ended } => f.write_str(match ended {
                Ended::Here => "answered, hung up here",
                Ended::There => "answered, hung up by the far side",
                Ended::Starved => "answered, ended for want of media",
                Ended::NoAck => "answered, never acknowledged",
            }),
        }
    }
}

impl Told {
    /// `None` for a request.
    pub fn read(response: &Message) -> Option<Self> {
        let Start::Response { status, reason } = &response.start else {
            return None;
        };
        let header = |name: &str| response.header(name).map(String::from);
        Some(Self {
            status: *status,
            phrase: reason.clone(),
            warning: header("Warning"),
            reason: header("Reason"),
            retry_after: header("Retry-After"),
        })
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.phrase)?;
        let headers = [
            ("Warning", &self.warning),
            ("Reason", &self.reason),
            ("Retry-After", &self.retry_after),
        ];
        headers.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, " · {name}: {value}"),
            None => Ok(()),
        })
    }
}

impl Report {
    /// This machine was too busy for a fair judgement of sound.
    pub fn is_unfair(&self) -> bool {
        self.heard.held_up > Duration::from_millis(60)
    }

    /// Compares what was heard with what should have been.
    pub async fn listen_for(&mut self, voice: Voice) {
        let score = score_of(voice, self.heard.audio.clone()).await;
        self.verdict
            .check("audio", score.is_good(), score.to_string());
        self.score = Some(score);
    }

    /// The voice must still be there after this much of the recording.
    pub async fn listen_late_for(&mut self, voice: Voice, after: Duration) {
        let audio = &self.heard.audio;
        let skipped = (after.as_secs_f64() * f64::from(audio.rate)) as usize;
        let late = Audio {
            rate: audio.rate,
            samples: audio.samples.get(skipped..).unwrap_or_default().to_vec(),
        };
        let score = score_of(voice, late).await;
        let what = format!("audio after {} s", after.as_secs());
        self.verdict.check(what, score.is_good(), score.to_string());
    }
}

/// On another thread: it takes a while, and media must not wait.
async fn score_of(voice: Voice, heard: Audio) -> Score {
    let source = Audio {
        rate: speech::RATE,
        samples: voice.samples().to_vec(),
    };
    let work = tokio::task::spawn_blocking(move || score::compare(&source, &heard));
    work.await.unwrap_or(Score::SILENCE)
}
