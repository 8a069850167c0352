use std::time::Instant;

use jiff::tz::TimeZone;

use super::*;
use crate::call::cdr::{CallRef, Told};
use crate::call::ending::{Cause, Ending, Party as Fault};
use crate::call::moment::Moment;
use crate::call::record::{Parties, Record};
use crate::party::PhoneNumber;
use crate::rates::{RateBook, TierScope};
use crate::side::{Pair, Side};

const CARD: &str = "valid_from,currency,market,destinations,above_0,above_10\n\
                    2026-06-01,USD,India,91 IN,0.005,0.0045\n\
                    2026-06-01,USD,Egypt,20 EG,not supported,not supported\n";
const INDIA: &str = "+919876543210";

fn terms(card: &str) -> Terms {
    Terms {
        book: RateBook::read(card).unwrap(),
        currency: "USD".parse().unwrap(),
        zone: TimeZone::UTC,
        scope: TierScope::Market,
    }
}

fn at(text: &str) -> SystemTime {
    text.parse::<jiff::Timestamp>().unwrap().into()
}

/// Of the business to this user, answered for so long.
fn cdr(user: &str, talk: Duration) -> Cdr {
    let now = Moment {
        instant: Instant::now(),
        wall: at("2026-11-20T10:00:00Z"),
    };
    let parties = Parties {
        direction: CallDirection::BusinessInitiated,
        wacid: None,
        call_id: None,
        user: Party::from_user_part(user).unwrap(),
        user_id: None,
        user_country: None,
        number: PhoneNumber::parse("+17015550100").unwrap(),
        trunk: None,
        extension: None,
    };
    let ending = Ending::new(Cause::HungUp, Fault::from(Side::B));
    let told = Pair::new(Told::Bye, Told::Nothing);
    let mut cdr = Record::new(now, CallRef("c".to_owned()), parties).close(now, ending, told);
    cdr.answered = Some(now.wall);
    cdr.talk = talk;
    cdr
}

fn charged(charging: &mut Charging, mut cdr: Cdr) -> serde_json::Value {
    charging.charge(&mut cdr);
    let json = serde_json::to_value(&cdr).unwrap();
    serde_json::json!([json["charge"], json["charge_error"]])
}

#[test]
fn a_call_to_a_user_is_priced_in_exact_figures() {
    let mut charging = Charging::new(Some(&terms(CARD)));
    let charge = charged(&mut charging, cdr(INDIA, Duration::from_millis(6_100)));
    let expected = serde_json::json!([
        {"pulses": 2, "market": "India", "tier": 1, "rate_per_minute": "0.00500",
         "price": "0.001000", "currency": "USD"},
        null
    ]);
    assert_eq!(charge, expected);
}

#[test]
fn whatsapps_count_goes_before_ours() {
    let mut charging = Charging::new(Some(&terms(CARD)));
    let mut cdr = cdr(INDIA, Duration::from_millis(6_100));
    cdr.whatsapp_duration_s = Some(6);
    assert_eq!(charged(&mut charging, cdr)[0]["pulses"], 1);
}

#[test]
fn a_user_without_number_is_in_the_country_of_the_id() {
    let mut charging = Charging::new(Some(&terms(CARD)));
    let by_id = cdr("IN.13491208655302741918", Duration::from_secs(1));
    assert_eq!(charged(&mut charging, by_id)[0]["market"], "India");
    let mut named = cdr("anonymous", Duration::from_secs(1));
    named.user_id = Some("IN.13491208655302741918".to_owned());
    assert_eq!(charged(&mut charging, named)[0]["market"], "India");
}

#[test]
fn free_calls_have_neither_price_nor_complaint() {
    let mut charging = Charging::new(Some(&terms(CARD)));
    let mut unanswered = cdr(INDIA, Duration::ZERO);
    unanswered.answered = None;
    let mut by_user = cdr(INDIA, Duration::from_secs(60));
    by_user.direction = CallDirection::UserInitiated;
    for free in [unanswered, by_user] {
        let nothing = serde_json::json!([null, null]);
        assert_eq!(charged(&mut charging, free), nothing);
    }
    let paid = cdr(INDIA, Duration::from_secs(60));
    let nothing = serde_json::json!([null, null]);
    assert_eq!(charged(&mut Charging::new(None), paid), nothing);
}

#[test]
fn a_missing_price_says_why() {
    let mut charging = Charging::new(Some(&terms(CARD)));
    let said = charged(&mut charging, cdr("+201001234567", Duration::from_secs(1)));
    let expected = "by the rate card of 2026-06-01, Egypt cannot be called";
    assert_eq!(said, serde_json::json!([null, expected]));
}

#[test]
fn past_calls_and_new_terms_keep_the_tier() {
    let mut charging = Charging::new(Some(&terms(CARD)));
    charging.restore(&PastCall {
        user: Party::from_user_part(INDIA).unwrap(),
        answered: at("2026-11-02T10:00:00Z"),
        talk: Duration::from_secs(600),
    });
    charging.follow(Some(&terms(&CARD.replace("0.0045", "0.0044"))));
    let charge = charged(&mut charging, cdr(INDIA, Duration::from_secs(1)));
    assert_eq!(charge[0]["tier"], 2);
    assert_eq!(charge[0]["rate_per_minute"], "0.00440");
    charging.follow(None);
    let charge = charged(&mut charging, cdr(INDIA, Duration::from_secs(1)));
    assert_eq!(charge, serde_json::json!([null, null]));
}
