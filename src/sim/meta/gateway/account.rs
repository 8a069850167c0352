//! What WhatsApp knows of business numbers and users, and what a user does with a call.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::sim::fault::Faults;
use crate::sim::media::Codec;
use crate::sim::meta::gateway::refusal::Refusal;
use crate::sim::meta::plan::Media;
use crate::sim::meta::webrtc::KeyExchange;

#[derive(Clone, Debug, Default)]
pub struct Account {
    /// By number, `+` and digits.
    pub businesses: BTreeMap<String, Business>,
    /// By number, or by business-scoped user id.
    pub users: BTreeMap<String, User>,
    /// Everybody else. Without it nobody else is on WhatsApp, which is refused as a missing permission.
    pub otherwise: Option<User>,
}

/// A business number.
#[derive(Clone, Debug)]
pub struct Business {
    pub password: String,
    /// Of its SIP settings.
    pub host: String,
    pub phone_number_id: String,
    pub app_id: String,
    /// The app may use the number.
    pub app_is_authorized: bool,
    /// A valid payment method, nothing owed.
    pub may_pay: bool,
    /// Beside Opus.
    pub additional_codecs: Vec<Codec>,
    pub keys: KeyExchange,
    /// Calls at the same time.
    pub concurrency: usize,
    /// The status for a call above it, 503 or 403 (not documented).
    pub over_limit: u16,
}

/// Somebody who may be called.
#[derive(Clone, Debug)]
pub struct User {
    pub permission: Permission,
    /// Connected calls that each business number may still make today.
    pub calls_left: u32,
    /// A call with the business is active already, outside the simulation.
    pub is_in_a_call: bool,
    /// Whatever the facts are: said once the digest is right.
    pub refusal: Option<Refusal>,
    pub challenges: Challenges,
    /// From the INVITE to the final answer.
    pub ring: Duration,
    pub answer: Answer,
    /// The user hangs up this long after the answer; `None` waits for the business.
    pub talk: Option<Duration>,
    pub digits: Option<(Duration, String)>,
    pub media: Media,
    /// `x-wa-meta-user-id`.
    pub user_id: Option<String>,
    /// OPTIONS inside the call is answered.
    pub answer_options: bool,
    pub faults: Faults,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Permission {
    Given,
    None,
}

/// How a call ends before it begins, or does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Yes,
    /// A final response from 400 up, such as 480, 486, 408, 500, 503.
    No(u16),
    /// Rings until the business gives up; 480 when it does not within [`User::ring`].
    Never,
    /// 302 with this Contact.
    Redirect(String),
}

/// How credentials are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenges {
    /// In the order of the Proxy-Authenticate headers.
    pub algorithms: Vec<Algorithm>,
    /// A nonce is good for further calls with a rising nc; otherwise for one.
    pub nonce_lives: bool,
    /// The digest's user name may have the `+`.
    pub plus_is_accepted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Algorithm {
    #[value(name = "md5")]
    Md5,
    #[value(name = "sha-256")]
    Sha256,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }
}

impl Account {
    /// One business number; every user takes the call as [`User::default`] does.
    pub fn of(number: &str, business: Business) -> Self {
        Self {
            businesses: BTreeMap::from([(number.into(), business)]),
            users: BTreeMap::new(),
            otherwise: Some(User::default()),
        }
    }

    #[must_use]
    pub fn with(mut self, user: &str, does: User) -> Self {
        self.users.insert(user.into(), does);
        self
    }

    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name).or(self.otherwise.as_ref())
    }
}

impl Business {
    /// In good standing.
    pub fn new(host: &str, password: &str) -> Self {
        Self {
            password: password.into(),
            host: host.into(),
            phone_number_id: "106540352242922".into(),
            app_id: "1094233921840012".into(),
            app_is_authorized: true,
            may_pay: true,
            additional_codecs: Vec::new(),
            keys: KeyExchange::Sdes,
            concurrency: 1_000,
            over_limit: 503,
        }
    }

    /// WhatsApp's own codec, and those that are enabled on the number (dossier 1.2).
    pub fn takes(&self, codec: Codec) -> bool {
        codec == Codec::Opus || self.additional_codecs.contains(&codec)
    }
}

impl User {
    /// Takes the call at once and leaves it to the business to hang up; nobody judges the sound.
    pub fn quick() -> Self {
        let mut user = Self {
            ring: Duration::from_millis(100),
            talk: None,
            ..Self::default()
        };
        user.media.hears = None;
        user
    }

    /// Rings for a minute.
    pub fn never() -> Self {
        Self {
            ring: Duration::from_secs(60),
            answer: Answer::Never,
            ..Self::default()
        }
    }

    /// Does not answer, but with this status.
    pub fn refusing(status: u16) -> Self {
        Self {
            answer: Answer::No(status),
            ..Self::default()
        }
    }

    /// The call does not come through: WhatsApp refuses it.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::default()
        }
    }
}

impl Default for User {
    /// Answers after a second, speaks, and hangs up ten seconds later.
    fn default() -> Self {
        Self {
            permission: Permission::Given,
            calls_left: 100,
            is_in_a_call: false,
            refusal: None,
            challenges: Challenges::default(),
            ring: Duration::from_secs(1),
            answer: Answer::Yes,
            talk: Some(Duration::from_secs(10)),
            digits: None,
            media: Media::default(),
            user_id: Some("US.13491208655302741918".into()),
            answer_options: false,
            faults: Faults::new(),
        }
    }
}

impl Default for Challenges {
    fn default() -> Self {
        Self {
            algorithms: vec![Algorithm::Md5],
            nonce_lives: true,
            plus_is_accepted: false,
        }
    }
}
