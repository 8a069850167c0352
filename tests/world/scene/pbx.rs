//! A PBX as a scripted peer.

use super::sdp::pbx_answer;
use super::wire::Sip;

/// One call as the PBX sees it, from the INVITE that it got.
#[derive(Clone)]
pub struct Callee {
    pub invite: Sip,
    tag: &'static str,
    host: String,
    cseq: u32,
}

impl Callee {
    pub fn new(invite: Sip) -> Self {
        Self::fork(invite, "pbx-1")
    }

    /// One of several that the same INVITE reached.
    pub fn fork(invite: Sip, tag: &'static str) -> Self {
        let (host, _) = invite
            .uri()
            .rsplit_once('@')
            .map_or(("", ""), |(_, host)| (host, ""));
        Self {
            host: host.split(';').next().unwrap_or_default().to_owned(),
            invite,
            tag,
            cseq: 100,
        }
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
