//! A PBX as a scripted peer.

use super::sdp::pbx_answer;
use super::whatsapp::USER;
use super::wire::Sip;

/// One call as the PBX sees it, from the INVITE that it got.
#[derive(Clone)]
pub struct Callee {
    pub invite: Sip,
    tag: String,
    host: String,
    cseq: u32,
}

impl Callee {
    pub fn new(invite: Sip) -> Self {
        Self::fork(invite, "pbx-1")
    }

    /// One of several that the same INVITE reached.
    pub fn fork(invite: Sip, tag: &str) -> Self {
        let (host, _) = invite
            .uri()
            .rsplit_once('@')
            .map_or(("", ""), |(_, host)| (host, ""));
        Self {
            host: host.split(';').next().unwrap_or_default().to_owned(),
            invite,
            tag: tag.to_owned(),
            cseq: 100,
        }
    }

    pub fn rename(&mut self, tag: &str) {
        self.tag = tag.to_owned();
    }

    pub fn reply(&self, status: u16, phrase: &str) -> Sip {
        let to = format!("{};tag={}", self.invite.header("To"), self.tag);
        let reply = self.invite.reply(status, phrase).set("To", to);
        let makes_dialog = (101..300).contains(&status);
        match makes_dialog {
            true => reply.with("Contact", self.contact()),
            false => reply,
        }
    }

    pub fn ringing(&self) -> Sip {
        self.reply(180, "Ringing")
    }

    pub fn answer(&self) -> Sip {
        self.reply(200, "OK")
            .with("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, INFO, OPTIONS")
            .with_sdp(pbx_answer())
    }

    /// A request inside the dialog.
    pub fn request(&mut self, method: &str) -> Sip {
        self.cseq += 1;
        let cseq = self.cseq;
        self.request_numbered(method, cseq)
    }

    pub fn request_numbered(&self, method: &str, cseq: u32) -> Sip {
        let to = format!("{};tag={}", self.invite.header("To"), self.tag);
        Sip::request(method, self.invite.address("Contact"))
            .with(
                "Via",
                format!(
                    "SIP/2.0/UDP {};rport;branch=z9hG4bK{}{method}{cseq}",
                    self.host, self.tag
                ),
            )
            .with("Max-Forwards", "70")
            .with("From", to)
            .with("To", self.invite.header("From"))
            .with("Call-ID", self.invite.header("Call-ID"))
            .with("CSeq", format!("{cseq} {method}"))
            .with("Contact", self.contact())
    }

    /// ACK to our 2xx of a re-INVITE.
    pub fn ack(&self, request: &Sip) -> Sip {
        self.request_numbered("ACK", request.cseq().0)
    }

    fn contact(&self) -> String {
        format!("<sip:agent@{}>", self.host)
    }
}

/// One call as the PBX makes it.
#[derive(Clone)]
pub struct Caller {
    pub invite: Sip,
    host: &'static str,
    cseq: u32,
}

impl Caller {
    /// Extension 200 dials the user.
    pub fn new() -> Self {
        Self::dials(USER)
    }

    pub fn dials(dialled: &str) -> Self {
        let host = "10.0.0.20:5060";
        let invite = Sip::request("INVITE", &format!("sip:{dialled}@10.0.0.1:5060"))
            .with(
                "Via",
                format!("SIP/2.0/UDP {host};rport;branch=z9hG4bKagent"),
            )
            .with("Max-Forwards", "70")
            .with("From", "\"Agent\" <sip:200@10.0.0.20>;tag=agent")
            .with("To", format!("<sip:{dialled}@10.0.0.1>"))
            .with("Contact", format!("<sip:200@{host}>"))
            .with("Call-ID", "agent-calls")
            .with("CSeq", "1 INVITE")
            .with("Allow", "INVITE, ACK, BYE, CANCEL, REFER, NOTIFY, UPDATE")
            .with_sdp(pbx_answer());
        Self {
            invite,
            host,
            cseq: 1,
        }
    }

    /// A request inside the dialog that `ok` made.
    pub fn request(&mut self, method: &str, ok: &Sip) -> Sip {
        self.cseq += 1;
        self.request_numbered(method, ok, self.cseq)
    }

    pub fn ack(&self, ok: &Sip) -> Sip {
        self.request_numbered("ACK", ok, 1)
    }

    fn request_numbered(&self, method: &str, ok: &Sip, cseq: u32) -> Sip {
        let branch = format!("z9hG4bKagent{method}{cseq}");
        Sip::request(method, ok.address("Contact"))
            .with(
                "Via",
                format!("SIP/2.0/UDP {};rport;branch={branch}", self.host),
            )
            .with("Max-Forwards", "70")
            .with("From", self.invite.header("From"))
            .with("To", ok.header("To"))
            .with("Call-ID", self.invite.header("Call-ID"))
            .with("CSeq", format!("{cseq} {method}"))
            .with("Contact", format!("<sip:200@{}>", self.host))
    }

    /// CANCEL, and the ACK to a refusal.
    pub fn same_hop(&self, method: &str, to: &str) -> Sip {
        Sip::request(method, self.invite.uri())
            .with("Via", self.invite.header("Via"))
            .with("Max-Forwards", "70")
            .with("From", self.invite.header("From"))
            .with("To", to)
            .with("Call-ID", self.invite.header("Call-ID"))
            .with("CSeq", format!("1 {method}"))
    }
}
