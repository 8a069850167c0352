//! The habits of a kind of peer, as data: `sip-profiles/*.toml`.
//!
//! A profile says only what differs from the one that it is based on, in the end from [`Profile::neutral`].

use std::time::Duration;

use super::toml_file::{Table, Value};
use super::{Prefix, Refusal, level, security};
use crate::media::bridge::{Digits, Dtx, Habits};
use crate::media::gain::Decibels;
use crate::sdp::{Codec, DtlsVersion, IceMode, OfferedSetup, Policy, Security, XrUse};
use crate::sip::endpoint::Login;

const CODECS: [(&str, Codec); 4] = [
    ("opus", Codec::Opus),
    ("pcmu", Codec::Pcmu),
    ("pcma", Codec::Pcma),
    ("g722", Codec::G722),
];

/// What pass_headers may name: WhatsApp's headers (dossier 2.4), without `x-wa-meta-`, in their one spelling.
const WHATSAPP_HEADERS: [&str; 8] = [
    "wacid",
    "cta-payload",
    "deeplink-payload",
    "user-id",
    "parent-user-id",
    "username",
    "country-code",
    "phone-number-id",
];

/// A peer kind's habits: `sip-profiles/NAME.toml`.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub sip: SipHabits,
    pub sdp: Policy,
    pub media: Habits,
    /// Where peers of this kind come from, when the configuration does not say.
    pub source_prefixes: Vec<Prefix>,
}

#[derive(Clone, Debug)]
pub struct SipHabits {
    /// Nothing but ACK, BYE and CANCEL ever leaves toward this peer inside a call (WhatsApp: dossier 2.8).
    pub frozen: bool,
    /// Send 180 when the far side rings.
    pub ringing: bool,
    /// And 183 with our description after it.
    pub early_description: bool,
    pub client_hello: ClientHello,
    /// Challenge its INVITEs.
    pub challenge: Challenge,
    pub challenge_algorithm: DigestAlgorithm,
    /// The user name it must answer a challenge with.
    pub digest_username: DigestUsername,
    /// Whether our INVITEs answer its last challenge before it asks again.
    pub login: Login,
    pub session_timer: Option<SessionTimerHabit>,
    pub reliable_provisionals: bool,
    /// How long the far side may ring before we give up.
    pub answer_timeout: Duration,
    /// No provisional response from this peer for so long: the next one is tried.
    pub first_response_timeout: Duration,
    /// DTMF toward this peer.
    pub dtmf: DtmfHabit,
    /// Which of WhatsApp's headers are passed on, as `X-WA-...` (lower-case names without `x-wa-meta-`).
    pub pass_headers: Vec<String>,
    /// Identify callers by P-Asserted-Identity as well as From.
    pub asserted_identity: bool,
    /// What its final responses mean, where they mean more than the status says.
    pub refusals: Vec<Refusal>,
}

/// When our ClientHello leaves to a peer that called us. Before the peer has our description it would be lost (dossier 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientHello {
    /// With its ACK.
    AfterAck,
    /// As soon as ICE has a way.
    AtOnce,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Challenge {
    No,
    /// 401 WWW-Authenticate.
    Unauthorized,
    /// 407 Proxy-Authenticate.
    ProxyAuthentication,
}

/// RFC 8760 §2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestAlgorithm {
    Md5,
    Sha256,
}

/// How a business number is written as a digest user name (dossier 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestUsername {
    /// `17015550100`, as in all of WhatsApp's samples.
    Digits,
    /// `+17015550100`.
    Plus,
    Either,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionTimerHabit {
    pub ask: bool,
    pub expires: Duration,
    pub min_se: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtmfHabit {
    /// RFC 4733 when agreed.
    Rtp,
    /// SIP INFO, `application/dtmf-relay`.
    Info,
}

#[derive(Clone, Copy)]
enum TimerMode {
    Off,
    Accept,
    Ask,
}

impl Profile {
    /// What holds where no profile says anything: plain RTP, G.711, nothing peculiar.
    pub(super) fn neutral() -> Self {
        Self {
            name: "neutral".to_owned(),
            sip: SipHabits {
                frozen: false,
                ringing: true,
                early_description: false,
                client_hello: ClientHello::AfterAck,
                challenge: Challenge::No,
                challenge_algorithm: DigestAlgorithm::Md5,
                digest_username: DigestUsername::Either,
                login: Login::WhenChallenged,
                session_timer: None,
                reliable_provisionals: false,
                answer_timeout: Duration::from_secs(60),
                first_response_timeout: Duration::from_secs(5),
                dtmf: DtmfHabit::Rtp,
                pass_headers: Vec::new(),
                asserted_identity: false,
                refusals: Vec::new(),
            },
            sdp: Policy {
                codecs: vec![Codec::Pcma, Codec::Pcmu],
                own_order: false,
                security: Security::Plain,
                dtls_setup: OfferedSetup::ActPass,
                dtls_newest: DtlsVersion::V1_2,
                ice: IceMode::Full,
                telephone_event: vec![8_000],
                packet_time: Duration::from_millis(20),
                max_packet_time: None,
                opus_fmtp: String::new(),
                rtcp_mux: false,
                rtcp_xr: XrUse::Never,
                announce_ssrc: false,
            },
            media: Habits {
                keep_fed: false,
                latch: true,
                media_timeout: Duration::from_secs(300),
                opus_bitrate: 24_000,
                opus_complexity: 5,
                opus_fec: true,
                early_audio: Duration::from_secs(1),
                gain_from: Decibels(0),
                gain_to: Decibels(0),
                opus_dtx: Dtx::IfAsked,
                digits: Digits::Events,
            },
            source_prefixes: Vec::new(),
        }
    }

    /// `base`: what holds where `table` says nothing.
    pub(super) fn read(name: String, table: &Table<'_>, base: &Self) -> Self {
        let mut profile = base.clone();
        profile.name = name;
        if let Some(sip) = table.table("sip") {
            profile.sip = sip.read(|sip| SipHabits::read(sip, &base.sip));
        }
        let refusals = table.tables("refusals");
        if !refusals.is_empty() {
            let read = |table: Table<'_>| table.read(Refusal::read);
            profile.sip.refusals = refusals.into_iter().filter_map(read).collect();
        }
        if let Some(media) = table.table("media") {
            media.read(|media| {
                profile.sdp = read_policy(media, &base.sdp);
                profile.media = read_habits(media, &base.media);
            });
        }
        if let Some(source) = table.table("source") {
            profile.source_prefixes = source
                .read(read_prefixes)
                .unwrap_or(profile.source_prefixes);
        }
        profile
    }
}

impl SipHabits {
    fn read(table: &Table<'_>, base: &Self) -> Self {
        Self {
            frozen: table.flag("frozen", base.frozen),
            ringing: table.flag("ringing", base.ringing),
            early_description: table.flag("early_description", base.early_description),
            client_hello: table.choice(
                "client_hello",
                &[
                    ("after-ack", ClientHello::AfterAck),
                    ("at-once", ClientHello::AtOnce),
                ],
                base.client_hello,
            ),
            challenge: table.choice(
                "challenge",
                &[
                    ("no", Challenge::No),
                    ("401", Challenge::Unauthorized),
                    ("407", Challenge::ProxyAuthentication),
                ],
                base.challenge,
            ),
            challenge_algorithm: table.choice(
                "challenge_algorithm",
                &[
                    ("md5", DigestAlgorithm::Md5),
                    ("sha-256", DigestAlgorithm::Sha256),
                ],
                base.challenge_algorithm,
            ),
            digest_username: table.choice(
                "digest_username",
                &[
                    ("digits", DigestUsername::Digits),
                    ("plus", DigestUsername::Plus),
                    ("either", DigestUsername::Either),
                ],
                base.digest_username,
            ),
            login: read_login(table, base.login),
            session_timer: read_session_timer(table, base.session_timer),
            reliable_provisionals: table.flag("reliable_provisionals", base.reliable_provisionals),
            answer_timeout: table.seconds("answer_timeout_s", 1..=600, base.answer_timeout),
            first_response_timeout: table.seconds(
                "first_response_timeout_s",
                0..=32,
                base.first_response_timeout,
            ),
            dtmf: table.choice(
                "dtmf",
                &[("rtp", DtmfHabit::Rtp), ("info", DtmfHabit::Info)],
                base.dtmf,
            ),
            pass_headers: table
                .list("pass_headers", |value| read_header(&value))
                .unwrap_or_else(|| base.pass_headers.clone()),
            asserted_identity: table.flag("asserted_identity", base.asserted_identity),
            refusals: base.refusals.clone(),
        }
    }
}

fn read_login(table: &Table<'_>, base: Login) -> Login {
    match table.flag("preemptive_credentials", base == Login::Preemptive) {
        true => Login::Preemptive,
        false => Login::WhenChallenged,
    }
}

/// RFC 4028 §4, §5: at least 90 s.
fn read_session_timer(
    table: &Table<'_>,
    base: Option<SessionTimerHabit>,
) -> Option<SessionTimerHabit> {
    let usual = base.unwrap_or(SessionTimerHabit {
        ask: false,
        expires: Duration::from_secs(1_800),
        min_se: Duration::from_secs(90),
    });
    let mode = match base {
        None => TimerMode::Off,
        Some(SessionTimerHabit { ask: true, .. }) => TimerMode::Ask,
        Some(SessionTimerHabit { ask: false, .. }) => TimerMode::Accept,
    };
    let names = [
        ("off", TimerMode::Off),
        ("accept", TimerMode::Accept),
        ("ask", TimerMode::Ask),
    ];
    let mode = table.choice("session_timer", &names, mode);
    let expires = table.seconds("session_expires_s", 90..=86_400, usual.expires);
    let min_se = table.seconds("session_min_s", 90..=86_400, usual.min_se);
    if let Some(value) = table.value("session_min_s")
        && min_se > expires
    {
        value.error(
            "the minimum is above session_expires_s",
            "write a smaller one",
        );
    }
    let ask = match mode {
        TimerMode::Off => return None,
        TimerMode::Accept => false,
        TimerMode::Ask => true,
    };
    Some(SessionTimerHabit {
        ask,
        expires,
        min_se,
    })
}

fn read_header(value: &Value<'_>) -> Option<String> {
    let names = WHATSAPP_HEADERS.map(|name| (name, name));
    value.choice(&names).map(str::to_owned)
}

fn read_policy(table: &Table<'_>, base: &Policy) -> Policy {
    let packet_time = |key: &'static str| {
        let milliseconds = table.value(key)?.number(10..=60)?;
        Some(Duration::from_millis(milliseconds.into()))
    };
    let codecs = table.filled_list(
        "codecs",
        "write at least one codec, as in [\"pcma\"]",
        |value| value.choice(&CODECS),
    );
    Policy {
        codecs: codecs.unwrap_or_else(|| base.codecs.clone()),
        own_order: table.flag("own_codec_order", base.own_order),
        security: security::read(table, &base.security),
        dtls_setup: table.choice(
            "dtls_setup",
            &[
                ("actpass", OfferedSetup::ActPass),
                ("active", OfferedSetup::Active),
            ],
            base.dtls_setup,
        ),
        dtls_newest: table.choice(
            "dtls_newest",
            &[("1.2", DtlsVersion::V1_2), ("1.3", DtlsVersion::V1_3)],
            base.dtls_newest,
        ),
        ice: table.choice(
            "ice",
            &[("full", IceMode::Full), ("lite", IceMode::Lite)],
            base.ice,
        ),
        telephone_event: table
            .list("telephone_event", |value| {
                value.choice_of_numbers(&[8_000, 48_000])
            })
            .unwrap_or_else(|| base.telephone_event.clone()),
        packet_time: packet_time("packet_time_ms").unwrap_or(base.packet_time),
        max_packet_time: packet_time("max_packet_time_ms").or(base.max_packet_time),
        opus_fmtp: table
            .value("opus_fmtp")
            .and_then(|value| {
                value.parse(
                    "write parameters, as in \"minptime=20;useinbandfec=1\"",
                    parse_fmtp,
                )
            })
            .unwrap_or_else(|| base.opus_fmtp.clone()),
        rtcp_mux: table.flag("rtcp_mux", base.rtcp_mux),
        rtcp_xr: table.choice(
            "rtcp_xr",
            &[
                ("never", XrUse::Never),
                ("if-offered", XrUse::IfOffered),
                ("offer", XrUse::Offer),
            ],
            base.rtcp_xr,
        ),
        announce_ssrc: table.flag("announce_ssrc", base.announce_ssrc),
    }
}

fn parse_fmtp(text: &str) -> Result<String, &'static str> {
    let is_fit = text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_fit
        .then(|| text.to_owned())
        .ok_or("a format has at most 200 printable characters, no spaces")
}

fn read_habits(table: &Table<'_>, base: &Habits) -> Habits {
    let complexity = table.number("opus_complexity", 0..=10, base.opus_complexity.into());
    Habits {
        keep_fed: table.flag("keep_fed", base.keep_fed),
        latch: table.flag("latch", base.latch),
        media_timeout: table.seconds("media_timeout_s", 0..=3_600, base.media_timeout),
        opus_bitrate: table.number("opus_bitrate", 6_000..=510_000, base.opus_bitrate),
        opus_complexity: u8::try_from(complexity).unwrap_or(base.opus_complexity),
        opus_fec: table.flag("opus_fec", base.opus_fec),
        early_audio: read_early_audio(table, base.early_audio),
        gain_from: level::read(table, "gain_from_db").unwrap_or(base.gain_from),
        gain_to: level::read(table, "gain_to_db").unwrap_or(base.gain_to),
        opus_dtx: table.choice(
            "opus_dtx",
            &[
                ("never", Dtx::Never),
                ("if-asked", Dtx::IfAsked),
                ("always", Dtx::Always),
            ],
            base.opus_dtx,
        ),
        digits: table.choice(
            "dtmf_detection",
            &[("rtp", Digits::Events), ("in-band", Digits::InBand)],
            base.digits,
        ),
    }
}

fn read_early_audio(table: &Table<'_>, base: Duration) -> Duration {
    let base = u32::try_from(base.as_millis()).unwrap_or(0);
    let millis = table.number("early_audio_ms", 0..=1_000, base);
    Duration::from_millis(millis.into())
}

/// `prefixes = ["157.240.0.0/16", ...]`; `None`: not there.
fn read_prefixes(table: &Table<'_>) -> Option<Vec<Prefix>> {
    table.list("prefixes", |value| read_prefix(&value))
}

pub(super) fn read_prefix(value: &Value<'_>) -> Option<Prefix> {
    value.parse(
        "write a network, as in \"192.0.2.0/24\" or \"192.0.2.7\"",
        str::parse,
    )
}
