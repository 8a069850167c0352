//! WhatsApp's requests, header by header as captured (dossier 2.4 to 2.6).

use crate::entropy::Entropy;
use crate::sim::meta::description::uuid;
use crate::sim::meta::plan::{Context, Plan};
use crate::sim::sip::Message;

pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS";
pub const AGENT: &str = "Facebook SipGateway";
/// What must come back unchanged and in this order.
pub const RECORD_ROUTES: [&str; 2] = [
    "<sip:wa.meta.vc;transport=tls;lr>",
    "<sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>",
];

/// What names one call.
#[derive(Clone, Debug)]
pub struct Names {
    pub wacid: String,
    pub call_id: String,
    pub from_tag: String,
}

impl Names {
    pub fn new(padded: bool, entropy: &mut Entropy) -> Self {
        let padding = if padded { "==" } else { "" };
        let wacid = format!(
            "wacid.HBgLMTIxOTU1NTA3MTQVAgASGCA{}FQIAAA{padding}",
            entropy.hex(16).to_uppercase()
        );
        Self {
            call_id: format!("outgoing:{wacid}"),
            wacid,
            from_tag: uuid(entropy),
        }
    }
}

/// The Via and Record-Route lines on top of a request, interleaved. `branch` is the topmost branch.
pub fn route_lines(single_via: bool, branch: &str) -> Vec<(String, String)> {
    let via = |text: String| ("Via".to_owned(), text);
    let top = format!("SIP/2.0/TLS [2803:6080:f948:9597::]:57363;rport;branch={branch};alias");
    let routes = RECORD_ROUTES.map(|route| ("Record-Route".to_owned(), route.to_owned()));
    let mut lines = vec![via(top)];
    lines.extend(routes);
    if !single_via {
        lines.push(via(format!(
            "SIP/2.0/TLS [2803:6080:f948:9597:d33c:e00:400:0]:5061;branch={branch}.1"
        )));
        lines.push(via(format!(
            "SIP/2.0/TLS [2803:6080:f948:9597:1ac5:cdf8:300:0]:63057;rport=63057;\
             received=2803:6080:f948:9597:1ac5:cdf8:300:0;branch={branch}-phic0sb;alias"
        )));
    }
    lines
}

pub fn branch(entropy: &mut Entropy) -> String {
    format!("z9hG4bKPj{}", entropy.hex(4))
}

pub fn from(plan: &Plan, names: &Names) -> String {
    let user = &plan.caller.user;
    let display = plan.caller.display_name.as_deref();
    let display = display.unwrap_or(user.trim_start_matches('+'));
    format!(
        "\"{display}\" <sip:{user}@wa.meta.vc>;tag={}",
        names.from_tag
    )
}

pub fn to(plan: &Plan, host: &str) -> String {
    format!("<sip:{}@{host}>", plan.number)
}

/// Our Contact's URI: the target of the business's requests.
pub fn contact(plan: &Plan) -> String {
    format!("sip:{}@wa.meta.vc;transport=tls;ob", plan.caller.user)
}

pub fn request_uri(plan: &Plan, host: &str) -> String {
    let params: String = plan
        .shape
        .user_params
        .iter()
        .map(|param| format!(";{param}"))
        .collect();
    format!("sip:{}{params}@{host};transport=tls", plan.number)
}

/// The INVITE without authorization and body.
pub fn invite(plan: &Plan, names: &Names, host: &str, cseq: u32, branch: &str) -> Message {
    let mut invite = Message::request("INVITE", &request_uri(plan, host))
        .with_all(route_lines(plan.shape.single_via, branch));
    if plan.shape.foreign_route {
        let route = "<sip:onevc-sip-proxy-dev.fbinfra.net:8191;transport=tls;lr>";
        invite = invite.with("Route", route);
    }
    invite
        .with(
            "Max-Forwards",
            if plan.shape.single_via { "70" } else { "69" },
        )
        .with("From", from(plan, names))
        .with("To", to(plan, host))
        .with("Contact", format!("<{}>;isfocus", contact(plan)))
        .with("Call-ID", &names.call_id)
        .with("CSeq", format!("{cseq} INVITE"))
        .with("X-FB-External-Domain", "wa.meta.vc")
        .with("x-wa-meta-wacid", &names.wacid)
        .with_all(context(plan.caller.context.as_ref()))
        .with("Allow", ALLOW)
        .with("User-Agent", AGENT)
}

fn context(context: Option<&Context>) -> Vec<(String, String)> {
    let Some(context) = context else {
        return Vec::new();
    };
    let (username, country) = match context.other_spelling {
        true => ("x-wa-meta-user-name", "x-wa-meta-user-country-code"),
        false => ("x-wa-meta-username", "x-wa-meta-country-code"),
    };
    [
        ("x-wa-meta-user-id", &context.user_id),
        (username, &context.username),
        (country, &context.country),
        ("x-wa-meta-cta-payload", &context.cta_payload),
        ("x-wa-meta-deeplink-payload", &context.deeplink_payload),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
    .collect()
}

/// What WhatsApp adds to the BYE of an established call.
pub fn bye(bye: Message, wacid: &str, seconds: u64) -> Message {
    bye.with("X-FB-External-Domain", "wa.meta.vc")
        .with("x-wa-meta-wacid", wacid)
        .with("x-wa-meta-call-duration", seconds.to_string())
        .with("User-Agent", AGENT)
}

/// The Reason of a BYE for want of media; its exact text is not known (dossier 2.4).
pub fn starved(other_wording: bool) -> &'static str {
    match other_wording {
        true => "SIP;cause=408;text=\"RTP Timeout\"",
        false => "SIP;cause=408;text=\"Media is not received for a long time\"",
    }
}
