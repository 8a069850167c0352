//! `a=rtcp-xr` in offers and answers (RFC 3611 §5.2).

use super::*;
use crate::sdp::{ExtendedReports, RoundTripMode, SummaryParts, XrUse};

const OFFERED: &str =
    "a=rtcp-xr:rcvr-rtt=all:10000 pkt-loss-rle=40 stat-summary=loss,jitt,HL voip-metrics";
const AGREED: ExtendedReports = ExtendedReports {
    receiver_round_trip: Some(RoundTripMode::All),
    summary: Some(SummaryParts {
        loss: true,
        duplicates: false,
        jitter: true,
    }),
    voip_metrics: true,
};

fn description(before: &str, body: &str) -> String {
    format!(
        "\nv=0\no=- 5 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{before}m=audio 4000 RTP/AVP 8\n{body}\n"
    )
}

fn leg(rtcp_xr: XrUse) -> Negotiation {
    let policy = Policy {
        rtcp_xr,
        ..pbx_policy()
    };
    Negotiation::new(policy, local(2))
}

#[test]
fn what_we_support_of_an_offer_is_answered() {
    for offer in [
        description("", OFFERED),
        description(&format!("{OFFERED}\n"), ""),
    ] {
        for rtcp_xr in [XrUse::IfOffered, XrUse::Offer] {
            let (text, agreement) = answer(&mut leg(rtcp_xr), &offer);
            assert_eq!(agreement.extended_reports, AGREED);
            let ours = "a=rtcp-xr:rcvr-rtt=all stat-summary=loss,jitt voip-metrics";
            assert_eq!(lines(&text, "a=rtcp-xr"), [ours]);
        }
    }
}

#[test]
fn nothing_is_answered_to_what_was_not_offered_or_is_not_wanted() {
    for (rtcp_xr, offered) in [
        (XrUse::Never, OFFERED),
        (XrUse::IfOffered, "a=ptime:20"),
        (XrUse::Offer, "a=rtcp-xr:pkt-dup-rle"),
    ] {
        let (text, agreement) = answer(&mut leg(rtcp_xr), &description("", offered));
        assert_eq!(agreement.extended_reports, ExtendedReports::default());
        assert_eq!(lines(&text, "a=rtcp-xr"), [""; 0]);
    }
}

#[test]
fn an_answer_agrees_to_what_it_names_of_our_offer() {
    for (rtcp_xr, offered, agreed) in [
        (XrUse::Never, 0, ExtendedReports::default()),
        (XrUse::IfOffered, 0, ExtendedReports::default()),
        (XrUse::Offer, 1, AGREED),
    ] {
        let mut leg = leg(rtcp_xr);
        let text = leg.offer(Direction::SendRecv);
        assert_eq!(lines(&text, "a=rtcp-xr").len(), offered);
        let answered = leg.handle_answer(&crlf(&description("", OFFERED)));
        assert_eq!(answered.unwrap().extended_reports, agreed);
        let silent = leg.handle_answer(&crlf(&description("", "a=ptime:20")));
        let nothing = ExtendedReports::default();
        assert_eq!(silent.unwrap().extended_reports, nothing);
    }
}

/// A hold of ours, after the peer's offer named them.
#[test]
fn what_was_agreed_is_offered_again() {
    let mut leg = leg(XrUse::IfOffered);
    answer(&mut leg, &description("", OFFERED));
    let text = leg.offer(Direction::SendOnly);
    assert_eq!(lines(&text, "a=rtcp-xr").len(), 1, "{text}");
}
