//! WhatsApp's SIP endpoint as a scripted peer: user-initiated calls as in the dossier's section 2.6.

use super::config::NUMBER;
use super::sdp::{whatsapp_answer, whatsapp_offer};
use super::wire::Sip;

pub const USER: &str = "+12195550714";
pub const WACID: &str = "wacid.HBgLMTIxOTU1NTA3MTQVAgASGCA4QkY1FQIAAA==";
pub const RECORD_ROUTES: [&str; 2] = [
    "<sip:wa.meta.vc;transport=tls;lr>",
    "<sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>",
];

/// The INVITE of a user's call, without credentials.
pub fn invite() -> Sip {
    invite_number(1)
}

/// One of several.
pub fn invite_number(call: u32) -> Sip {
    let to = format!("<sip:{NUMBER}@sip.example.com>");
    Sip::request("INVITE", &format!("sip:{NUMBER}@sip.example.com;transport=tls"))
        .with("Via", format!("SIP/2.0/TLS [2803:6080:f948:9597::]:57363;rport;branch=z9hG4bKPj3a9f2ad8.{call}-a;alias"))
        .with("Record-Route", RECORD_ROUTES[0])
        .with("Record-Route", RECORD_ROUTES[1])
        .with("Via", format!("SIP/2.0/TLS [2803:6080:f948:9597:d33c:e00:400:0]:5061;branch=z9hG4bKPj3a9f2ad8.{call}-b"))
        .with("Via", format!("SIP/2.0/TLS [2803:6080:f948:9597:1ac5:cdf8:300:0]:63057;rport=63057;received=2803:6080:f948:9597:1ac5:cdf8:300:0;branch=z9hG4bKPj-phic0sb{call};alias"))
        .with("Max-Forwards", "69")
        .with("From", format!("\"Zoë \\\"Z\\\" Müller\" <sip:{USER}@wa.meta.vc>;tag=8a0f7e65-{call}"))
        .with("To", to)
        .with("Contact", format!("<sip:{USER}@wa.meta.vc;transport=tls;ob>;isfocus"))
        .with("Call-ID", format!("outgoing:{WACID}{call}"))
        .with("CSeq", "31159 INVITE")
        .with("X-FB-External-Domain", "wa.meta.vc")
        .with("x-wa-meta-wacid", WACID)
        .with("x-wa-meta-user-id", "US.13491208655302741918")
        .with("x-wa-meta-country-code", "US")
        .with("Allow", "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS")
        .with("User-Agent", "Facebook SipGateway")
        .with_sdp(whatsapp_offer())
}

/// A response carries the INVITE's Vias; of the top one we say where it came from (RFC 3261 §18.2.1, RFC 3581 §4).
pub fn assert_vias(invite: &Sip, response: &Sip) {
    let (sent, back) = (invite.all("Via"), response.all("Via"));
    assert_eq!(back[1..], sent[1..]);
    let (start, _) = sent[0]
        .split_once(";rport")
        .expect("WhatsApp asks for rport");
    assert!(back[0].starts_with(start), "{}", back[0]);
    for added in ["rport=47237", "received=69.171.251.112", "branch=", "alias"] {
        assert!(back[0].contains(added), "{added} in {}", back[0]);
    }
}

/// A request inside the dialog that a response to the INVITE made. ACK has the INVITE's CSeq, others `cseq`.
pub fn in_dialog(method: &str, invite: &Sip, response: &Sip, cseq: u32) -> Sip {
    let branch = format!("z9hG4bKPjin{method}{cseq}");
    Sip::request(method, response.address("Contact"))
        .with(
            "Via",
            format!("SIP/2.0/TLS [2803:6080:f948:9597::]:47237;rport;branch={branch};alias"),
        )
        .with("Record-Route", RECORD_ROUTES[0])
        .with("Record-Route", RECORD_ROUTES[1])
        .with("Max-Forwards", "69")
        .with("From", invite.header("From"))
        .with("To", response.header("To"))
        .with("Call-ID", invite.header("Call-ID"))
        .with("CSeq", format!("{cseq} {method}"))
        .with("X-FB-External-Domain", "wa.meta.vc")
        .with("x-wa-meta-wacid", WACID)
        .with("User-Agent", "Facebook SipGateway")
}

/// ACK to our 200. WhatsApp's proxies deliver it only when their Record-Routes came back as they were (dossier 2.5).
pub fn ack(invite: &Sip, ok: &Sip) -> Sip {
    assert_eq!(ok.all("Record-Route"), RECORD_ROUTES, "in\n{ok}");
    in_dialog("ACK", invite, ok, invite.cseq().0)
}

pub fn bye(invite: &Sip, ok: &Sip) -> Sip {
    in_dialog("BYE", invite, ok, invite.cseq().0 + 1).with("x-wa-meta-call-duration", "42")
}

/// CANCEL and the ACK to a rejection are hop by hop: the top Via and the INVITE's own URI (RFC 3261 §9.1, §17.1.1.3).
pub fn cancel(invite: &Sip) -> Sip {
    same_hop("CANCEL", invite, invite.header("To"))
}

pub fn ack_rejection(invite: &Sip, rejection: &Sip) -> Sip {
    same_hop("ACK", invite, rejection.header("To"))
}

fn same_hop(method: &str, invite: &Sip, to: &str) -> Sip {
    Sip::request(method, invite.uri())
        .with("Via", invite.header("Via"))
        .with("Max-Forwards", "69")
        .with("From", invite.header("From"))
        .with("To", to)
        .with("Call-ID", invite.header("Call-ID"))
        .with("CSeq", format!("{} {method}", invite.cseq().0))
}

/// WhatsApp's final error (dossier 2.9): the text is the reason phrase, and again a Warning.
pub fn refusal(invite: &Sip, status: u16, text: &str) -> Sip {
    let to = format!("{};tag=0d185053-2615-46c7-8ff2", invite.header("To"));
    invite
        .reply(status, text)
        .set("To", to)
        .with("X-FB-External-Domain", "wa.meta.vc")
        .with("Warning", format!("399 wa.meta.vc \"{text}\""))
}

/// 407 of WhatsApp, as printed: without Content-Length.
pub fn challenge(invite: &Sip, nonce: &str) -> Sip {
    let to = format!("{};tag=z9hG4bKtop", invite.header("To"));
    invite.reply(407, "Proxy Authentication Required").set("To", to).with(
        "Proxy-Authenticate",
        format!("Digest realm=\"wa.meta.vc\",nonce=\"{nonce}\",opaque=\"440badfc05072367\",algorithm=MD5,qop=\"auth\""),
    )
}

/// The user picked up: the two Record-Routes in the order printed (dossier 2.5, 2.7).
pub fn answer(invite: &Sip) -> Sip {
    let to = format!("{};tag=0d185053-2615-46c7-8ff2", invite.header("To"));
    let user = invite.address("To");
    invite
        .reply(200, "OK")
        .set("To", to)
        .with("Record-Route", RECORD_ROUTES[1])
        .with("Record-Route", RECORD_ROUTES[0])
        .with("Allow", "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS")
        .with("Supported", "timer")
        .with("X-FB-External-Domain", "wa.meta.vc")
        .with("x-wa-meta-user-id", "US.13491208655302741918")
        .with("Contact", format!("<{user};transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway.sip.prod>;isfocus"))
        .with_sdp(whatsapp_answer())
}

/// BYE in a call of the business.
pub fn callee_bye(invite: &Sip, answer: &Sip) -> Sip {
    Sip::request("BYE", invite.address("Contact"))
        .with(
            "Via",
            "SIP/2.0/TLS [2803:6080:f948:9597::]:47237;rport;branch=z9hG4bKPjbye;alias",
        )
        .with("Max-Forwards", "69")
        .with("From", answer.header("To"))
        .with("To", answer.header("From"))
        .with("Call-ID", invite.header("Call-ID"))
        .with("CSeq", "7 BYE")
        .with("x-wa-meta-wacid", WACID)
        .with("x-wa-meta-call-duration", "61")
}
