//! Whatever happens in whatever order: every call that was let in ends with exactly one CDR, and nothing stays open.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use wabridge::call::switchboard::{Condition, MediaCommand, MediaEvent};
use wabridge::media::bridge::{Event, Report};
use wabridge::side::Side;

use crate::scene::pbx::{Callee, Caller};
use crate::scene::sdp::{PbxSdp, pbx_answer};
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{BACKUP, PBX, Reach, WHATSAPP, World};

#[derive(Clone, Copy, Debug)]
enum Act {
    Invite(u32),
    /// An agent dials the user.
    Dial(u32),
    /// To the invite of that number, as far as there is one.
    Cancel(usize),
    Ack(usize),
    UserBye(usize),
    UserReinvite(usize),
    /// The PBX answers the request of that number with this status, with or without a description.
    Reply(usize, u16, bool),
    PbxAsks(usize, &'static str, bool),
    /// An ACK of the PBX with a description, for whatever it fits.
    PbxAck(usize),
    UserReply(usize, u16),
    Media(usize, Happening),
    Wait(u64),
    Reach(Reach),
    Reconnect,
    Reload,
    Unfit(bool),
    Drain,
    EndAll,
    Noise(&'static str),
    /// The same message again.
    Repeat(usize),
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    First(Side),
    Starved(Side),
    Digit(Side),
    Failed,
    Closed,
}

const STATUSES: [u16; 23] = [
    100, 180, 181, 183, 199, 200, 200, 200, 202, 302, 401, 404, 408, 480, 481, 486, 487, 488, 491,
    500, 503, 603, 606,
];
const METHODS: [&str; 12] = [
    "INVITE", "INVITE", "UPDATE", "INFO", "OPTIONS", "REFER", "BYE", "CANCEL", "PRACK", "NOTIFY",
    "ACK", "FOO",
];

fn act() -> impl Strategy<Value = Act> {
    let statuses = prop::sample::select(&STATUSES[..]);
    let methods = prop::sample::select(&METHODS[..]);
    let sides = prop::sample::select(vec![Side::A, Side::B]);
    let happenings = prop_oneof![
        sides.clone().prop_map(Happening::First),
        sides.clone().prop_map(Happening::Starved),
        sides.prop_map(Happening::Digit),
        Just(Happening::Failed),
        Just(Happening::Closed),
    ];
    let noise = prop::sample::select(vec![
        "",
        "\r\n\r\n",
        "INVITE",
        "SIP/2.0 200 OK\r\n\r\n",
        "BYE sip:x@y SIP/2.0\r\nVia: SIP/2.0/TLS z;branch=z9hG4bK1\r\n\r\n",
    ]);
    let which = 0..4usize;
    prop_oneof![
        4 => (0..4u32).prop_map(Act::Invite),
        2 => (0..4u32).prop_map(Act::Dial),
        1 => which.clone().prop_map(Act::Cancel),
        4 => which.clone().prop_map(Act::Ack),
        1 => which.clone().prop_map(Act::UserBye),
        1 => which.clone().prop_map(Act::UserReinvite),
        8 => (0..12usize, statuses.clone(), any::<bool>()).prop_map(|(n, s, b)| Act::Reply(n, s, b)),
        3 => (which.clone(), methods, any::<bool>()).prop_map(|(n, m, b)| Act::PbxAsks(n, m, b)),
        1 => which.clone().prop_map(Act::PbxAck),
        4 => (which.clone(), statuses).prop_map(|(n, s)| Act::UserReply(n, s)),
        2 => (which.clone(), happenings).prop_map(|(n, h)| Act::Media(n, h)),
        6 => prop_oneof![0..200u64, 0..5_000u64, 0..70_000u64].prop_map(Act::Wait),
        1 => prop::sample::select(vec![Reach::Up, Reach::Up, Reach::Silent, Reach::Refused]).prop_map(Act::Reach),
        1 => Just(Act::Reconnect),
        1 => Just(Act::Reload),
        1 => any::<bool>().prop_map(Act::Unfit),
        1 => Just(Act::Drain),
        1 => Just(Act::EndAll),
        1 => noise.prop_map(Act::Noise),
        2 => (0..20usize).prop_map(Act::Repeat),
    ]
}

/// Both ends of all calls, with what they could say next.
struct Theatre {
    world: World,
    invites: Vec<Sip>,
    /// Call-IDs of the agents' calls.
    dials: BTreeSet<String>,
    sent: Vec<(&'static str, Sip)>,
    cseq: u32,
}

impl Theatre {
    fn play(&mut self, act: Act) {
        match act {
            Act::Invite(call) => self.invite(call),
            Act::Dial(call) => self.dial(call),
            Act::Cancel(n) => {
                if let Some(invite) = self.invites.get(n).cloned() {
                    self.say(WHATSAPP, whatsapp::cancel(&invite));
                }
            }
            Act::Ack(n) => self.user_in_dialog(n, "ACK"),
            Act::UserBye(n) => self.user_in_dialog(n, "BYE"),
            Act::UserReinvite(n) => self.user_in_dialog(n, "INVITE"),
            Act::Reply(n, status, described) => self.pbx_replies(n, status, described),
            Act::PbxAsks(n, method, described) => self.pbx_asks(n, method, described),
            Act::PbxAck(n) => self.pbx_asks(n, "ACK", true),
            Act::UserReply(n, status) => self.user_replies(n, status),
            Act::Media(n, happening) => self.media(n, happening),
            Act::Wait(milliseconds) => self.world.run(Duration::from_millis(milliseconds)),
            Act::Reach(reach) => self.world.station(PBX).reach = reach,
            Act::Reconnect => self.world.reconnect(WHATSAPP),
            Act::Reload => self.world.reconfigure(crate::scene::config::config()),
            Act::Unfit(unfit) => self.condition(unfit),
            Act::Drain => self.world.input(|board, now| board.drain(now)),
            Act::EndAll => self.world.input(|board, now| board.end_all(now)),
            Act::Noise(text) => self.world.send_bytes(WHATSAPP, text.as_bytes().to_vec()),
            Act::Repeat(n) => {
                // An INVITE that comes again after its transaction is a call of its own.
                let again = self.sent.get(n).cloned();
                if let Some((station, message)) = again.filter(|(_, message)| !is_call(message)) {
                    self.world.send(station, &message);
                }
            }
        }
        self.world.run(Duration::from_millis(50));
    }

    fn say(&mut self, station: &'static str, message: Sip) {
        self.world.send(station, &message);
        self.sent.push((station, message));
    }

    fn invite(&mut self, call: u32) {
        let call_id = whatsapp::invite_number(call).header("Call-ID").to_owned();
        if self
            .invites
            .iter()
            .all(|invite| invite.header("Call-ID") != call_id)
        {
            let invite = whatsapp::invite_number(call);
            self.invites.push(invite.clone());
            self.say(WHATSAPP, invite);
        }
    }

    fn dial(&mut self, call: u32) {
        let call_id = format!("agent-calls-{call}");
        if self.dials.insert(call_id.clone()) {
            let via = format!("SIP/2.0/UDP 10.0.0.20:5060;rport;branch=z9hG4bKdial{call}");
            let invite = Caller::new().invite;
            self.say(PBX, invite.set("Call-ID", call_id).set("Via", via));
        }
    }

    fn user_in_dialog(&mut self, n: usize, method: &str) {
        let Some(invite) = self.invites.get(n).cloned() else {
            return;
        };
        let call_id = invite.header("Call-ID").to_owned();
        let received = &self.world.station(WHATSAPP).received;
        let response = received
            .iter()
            .rev()
            .find(|message| message.is("200 INVITE") && message.header("Call-ID") == call_id);
        let Some(ok) = response.cloned() else { return };
        self.cseq += 1;
        let cseq = match method {
            "ACK" => invite.cseq().0,
            _ => invite.cseq().0 + self.cseq,
        };
        let request = whatsapp::in_dialog(method, &invite, &ok, cseq);
        let request = match method {
            "INVITE" => request
                .with("Contact", invite.header("Contact"))
                .with_sdp(invite.body.clone()),
            _ => request,
        };
        self.say(WHATSAPP, request);
    }

    fn pbx_replies(&mut self, n: usize, status: u16, described: bool) {
        for station in [PBX, BACKUP] {
            let requests: Vec<Sip> = requests(&mut self.world, station);
            let Some(request) = requests.into_iter().rev().nth(n % 4) else {
                continue;
            };
            let is_invite = request.is("INVITE");
            let reply = match request.tag("To") {
                Some(_) => request.reply(status, "Said"),
                None => Callee::new(request).reply(status, "Said"),
            };
            let reply = match described && is_invite {
                true => reply.with_sdp(pbx_answer()),
                false => reply,
            };
            self.say(station, reply);
        }
    }

    fn pbx_asks(&mut self, n: usize, method: &str, described: bool) {
        let invites: Vec<Sip> = requests(&mut self.world, PBX)
            .into_iter()
            .filter(is_call)
            .collect();
        let Some(invite) = invites.into_iter().nth(n) else {
            return;
        };
        self.cseq += 1;
        let cseq = 100 + self.cseq;
        let request = Callee::new(invite).request_numbered(method, cseq);
        let request = match method {
            "REFER" => request.with("Refer-To", "<sip:200@10.0.0.20>"),
            _ => request,
        };
        let directions = ["sendrecv", "sendonly", "inactive"];
        let sdp = PbxSdp {
            version: cseq,
            direction: directions[cseq as usize % 3],
            ..PbxSdp::default()
        };
        let request = match described {
            true => request.with_sdp(sdp.text()),
            false => request,
        };
        self.say(PBX, request);
    }

    fn user_replies(&mut self, n: usize, status: u16) {
        let requests = requests(&mut self.world, WHATSAPP);
        if let Some(request) = requests.into_iter().rev().nth(n) {
            let answers = request.is("INVITE") && (200..300).contains(&status);
            let reply = match answers {
                true => whatsapp::answer(&request),
                false => request.reply(status, "Said"),
            };
            self.say(WHATSAPP, reply);
        }
    }

    fn media(&mut self, n: usize, happening: Happening) {
        let Some(call) = self.world.plane.open.iter().nth(n).cloned() else {
            return;
        };
        let event = |event| MediaEvent::Bridge {
            call: call.clone(),
            event,
        };
        let duration = Duration::from_secs(1);
        self.world.media(match happening {
            Happening::First(side) => event(Event::FirstMedia { side }),
            Happening::Starved(side) => event(Event::Starved {
                side,
                silent_for: duration,
            }),
            Happening::Digit(side) => event(Event::Dtmf {
                side,
                digit: b'1',
                duration,
            }),
            Happening::Failed => MediaEvent::Failed {
                call,
                error: "broken".to_owned(),
            },
            Happening::Closed => MediaEvent::Closed {
                call,
                report: Box::new(Report::default()),
            },
        });
    }

    fn condition(&mut self, unfit: bool) {
        let condition = match unfit {
            true => Condition::Unfit {
                reason: "tested".to_owned(),
            },
            false => Condition::Fit,
        };
        self.world
            .input(|board, now| board.handle_condition(now, condition));
    }

    /// Everyone leaves, and the books are checked.
    fn close(mut self) -> Result<(), TestCaseError> {
        self.world.run(Duration::from_secs(60));
        self.world.input(|board, now| board.end_all(now));
        self.world.run(Duration::from_secs(300));
        let world = &mut self.world;
        prop_assert!(world.board.is_idle());
        prop_assert!(world.plane.open.is_empty());
        let calls = self.invites.len() + self.dials.len();
        prop_assert_eq!(world.cdrs.len(), calls, "one CDR a call");
        prop_assert!(world.ledger.is_at_rest());
        let refs: BTreeSet<_> = world.cdrs.iter().map(|cdr| cdr.call.clone()).collect();
        prop_assert_eq!(refs.len(), world.cdrs.len(), "each its own");
        for command in &world.plane.commands {
            if let MediaCommand::Open { call, .. } = command {
                prop_assert!(refs.contains(call));
            }
        }
        for cdr in &world.cdrs {
            prop_assert_eq!(
                cdr.answered.is_some(),
                cdr.codec_b.is_some() && cdr.setup.is_some()
            );
            prop_assert!(cdr.ended >= cdr.started);
        }
        for request in requests(world, WHATSAPP) {
            let method = request.method().unwrap_or_default();
            let frozen = ["BYE", "ACK"].contains(&method);
            let of_a_new_call = method == "CANCEL" || is_call(&request);
            prop_assert!(frozen || of_a_new_call, "WhatsApp got\n{}", request);
        }
        Ok(())
    }
}

fn is_call(message: &Sip) -> bool {
    message.is("INVITE") && message.tag("To").is_none()
}

fn requests(world: &mut World, station: &'static str) -> Vec<Sip> {
    let received = world.station(station).received.iter();
    received
        .filter(|message| message.method().is_some())
        .cloned()
        .collect()
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(act(), 1..60)
}

fn holds(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let mut theatre = Theatre {
        world: World::new(),
        invites: Vec::new(),
        dials: BTreeSet::new(),
        sent: Vec::new(),
        cseq: 0,
    };
    for act in acts {
        theatre.play(act);
    }
    theatre.close()
}

/// The same for a sequence that a fuzzer chooses: three bytes an act.
pub fn holds_of_bytes(bytes: &[u8]) {
    let (acts, _) = bytes.as_chunks();
    holds(acts.iter().take(80).map(chosen).collect()).expect("what must hold");
}

fn chosen(&[kind, which, how]: &[u8; 3]) -> Act {
    let n = usize::from(which % 12);
    let side = [Side::A, Side::B][usize::from(how % 2)];
    match kind % 24 {
        0 | 1 => Act::Invite(u32::from(which % 4)),
        2 => Act::Dial(u32::from(which % 4)),
        3 => Act::Cancel(n),
        4 | 5 => Act::Ack(n),
        6 => Act::UserBye(n),
        7 => Act::UserReinvite(n),
        8..12 => Act::Reply(
            n,
            STATUSES[usize::from(how >> 1) % STATUSES.len()],
            how % 2 == 0,
        ),
        12 | 13 => Act::PbxAsks(
            n,
            METHODS[usize::from(how >> 1) % METHODS.len()],
            how % 2 == 0,
        ),
        14 => Act::PbxAck(n),
        15 => Act::UserReply(n, STATUSES[usize::from(how) % STATUSES.len()]),
        16 => Act::Media(
            n,
            match how % 5 {
                0 => Happening::First(side),
                1 => Happening::Starved(side),
                2 => Happening::Digit(side),
                3 => Happening::Failed,
                _ => Happening::Closed,
            },
        ),
        17 | 18 => Act::Wait(u64::from(which) << (how % 9)),
        19 => Act::Reach([Reach::Up, Reach::Silent, Reach::Refused][usize::from(how % 3)]),
        20 => Act::Reconnect,
        21 => Act::Repeat(usize::from(which)),
        22 => Act::Unfit(how % 2 == 0),
        _ => [Act::Reload, Act::Drain, Act::EndAll][usize::from(how % 3)],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn ends_with_one_cdr_each(acts in acts()) {
        holds(acts)?;
    }
}

#[test]
fn bytes_are_a_sequence_too() {
    holds_of_bytes(b"a fuzzer's input");
}
