//! Countries as they dial, and what is refused.

use proptest::prelude::*;

use super::*;

fn country(code: &str, national_prefix: &str) -> Dialling {
    Dialling {
        country: Some(Country {
            national_prefix: national_prefix.to_owned(),
            is_prefix_required: !national_prefix.is_empty(),
            ..Country::usual(code)
        }),
        ..Dialling::default()
    }
}

/// The prefix may be left out, as on mobiles in India and everywhere in North America.
fn lenient(code: &str, national_prefix: &str) -> Dialling {
    let mut dialling = country(code, national_prefix);
    if let Some(country) = &mut dialling.country {
        country.is_prefix_required = false;
    }
    dialling
}

fn germany() -> Dialling {
    country("49", "0")
}

fn assert_reads(dialling: &Dialling, dialled: &str, expected: &str) {
    let party = dialling.read(dialled);
    let number = party.as_ref().map(Party::expose);
    assert_eq!(number, Ok(expected), "{dialled}");
}

fn assert_refuses(dialling: &Dialling, dialled: &str, why: NotDialable) {
    assert_eq!(dialling.read(dialled), Err(why), "{dialled}");
}

#[test]
fn every_country_in_its_own_way() {
    let mut us = lenient("1", "1");
    us.international_prefixes = vec!["011".to_owned()];
    for (dialling, dialled, expected) in [
        (germany(), "030123456", "+4930123456"),
        (germany(), "0049 30 123456", "+4930123456"),
        (germany(), "+49 (151) 2345-6789", "+4915123456789"),
        (germany(), "00441632960961", "+441632960961"),
        (country("44", "0"), "07700900123", "+447700900123"),
        (country("44", "0"), "004930123456", "+4930123456"),
        (us.clone(), "12125550123", "+12125550123"),
        (us.clone(), "2125550123", "+12125550123"),
        (us.clone(), "011 49 30 123456", "+4930123456"),
        (us, "+442079460123", "+442079460123"),
        (country("55", "0"), "011987654321", "+5511987654321"),
        (lenient("55", "0"), "11987654321", "+5511987654321"),
        (lenient("91", "0"), "9876543210", "+919876543210"),
        (lenient("91", "0"), "09876543210", "+919876543210"),
        (country("39", ""), "0612345678", "+390612345678"),
        (country("39", ""), "3471234567", "+393471234567"),
        (country("34", ""), "612345678", "+34612345678"),
        (country("34", ""), "0034612345678", "+34612345678"),
        (country("65", ""), "81234567", "+6581234567"),
    ] {
        assert_reads(&dialling, dialled, expected);
    }
}

#[test]
fn without_a_country_numbers_are_international_or_users() {
    let plain = Dialling::default();
    assert_reads(&plain, "+12195550714", "+12195550714");
    assert_reads(&plain, "0012195550714", "+12195550714");
    for id in ["US.13491208655302741918", "US.ENT.11815799212886844830"] {
        assert!(matches!(plain.read(id), Ok(Party::User(user)) if user.expose() == id));
    }
    assert_refuses(&plain, "030123456", NotDialable::NoCountry);
    let text = NotDialable::NoCountry.to_string();
    assert!(text.contains("dialling.country_code"), "{text}");
}

#[test]
fn uris_and_their_parameters() {
    for dialled in [
        "tel:+49-30-123.456",
        "TEL:030-123456",
        "tel:30123456;phone-context=+49",
        "tel:030123456;phone-context=+49",
        "tel:30123456;isub=1;Phone-Context=%2B4-9",
        "tel:030123456;phone-context=pbx.example.com",
        "sip:+4930123456@pbx.example.com;user=phone",
        "sips:0049%2030123456;tgrp=wa;trunk-context=x:secret@[::1]:5061",
        "%2B4930123456",
        "+4930123456;tgrp=wacall;trunk-context=byoc.example.com",
        "030123456;user=phone",
    ] {
        assert_reads(&germany(), dialled, "+4930123456");
    }
    let foreign = "tel:1632960961;phone-context=+44";
    assert_reads(&germany(), foreign, "+441632960961");
    assert_reads(&Dialling::default(), foreign, "+441632960961");
}

#[test]
fn dial_prefixes_go_first() {
    let mut dialling = germany();
    dialling.dial_prefixes = ["9", "*88", "wa", "wa-de-"].map(str::to_owned).to_vec();
    for dialled in [
        "9030123456",
        "*88030123456",
        "*88+4930123456",
        "WA004930123456",
        "wa+4930123456",
        "030123456",
    ] {
        assert_reads(&dialling, dialled, "+4930123456");
    }
    assert_reads(&dialling, "waUS.1349", "US.1349");
    assert_refuses(&dialling, "9112", NotDialable::Refused);
    assert_refuses(&dialling, "911", NotDialable::Refused);
    assert_refuses(&dialling, "*88110", NotDialable::Refused);
    assert_refuses(&dialling, "wa", NotDialable::NoNumber);
}

#[test]
fn nobody_is_called_instead_of_an_emergency_or_a_service() {
    let us = lenient("1", "1");
    for (dialling, dialled, why) in [
        (germany(), "112", NotDialable::Refused),
        (germany(), "1-1-2", NotDialable::Refused),
        (germany(), "tel:110;phone-context=+49", NotDialable::Refused),
        (germany(), "116117", NotDialable::Refused),
        (germany(), "+49110", NotDialable::TooShort),
        (germany(), "0110", NotDialable::TooShort),
        (germany(), "22333", NotDialable::NoNationalPrefix),
        (germany(), "2233", NotDialable::TooShort),
        (us.clone(), "911", NotDialable::Refused),
        (us.clone(), "1911", NotDialable::TooShort),
        (us.clone(), "+1911", NotDialable::TooShort),
        (us, "40404", NotDialable::TooShort),
        (country("34", ""), "1004", NotDialable::TooShort),
        (country("65", ""), "999", NotDialable::Refused),
        (Dialling::default(), "000", NotDialable::Refused),
        (Dialling::default(), "00112", NotDialable::TooShort),
    ] {
        assert_refuses(&dialling, dialled, why);
    }
}

#[test]
fn premium_numbers_are_refused_however_they_are_dialled() {
    let mut dialling = germany();
    dialling.refuse = vec!["+49900*".parse().unwrap(), "0137*".parse().unwrap()];
    for dialled in ["0900123456", "0049900123456", "+49900123456", "0137123456"] {
        assert_refuses(&dialling, dialled, NotDialable::Refused);
    }
    assert_reads(&dialling, "090123456", "+4990123456");
}

#[test]
fn what_is_no_number_at_all() {
    for dialled in [
        "",
        "sales",
        "*43",
        "+",
        "+49x",
        "sip:pbx.example.com",
        "%zz",
        "#31#030123456",
        "US.",
        "++4930123456",
    ] {
        let why = germany().read(dialled).unwrap_err();
        assert!(
            matches!(why, NotDialable::NoNumber | NotDialable::TooShort),
            "{dialled}"
        );
    }
    assert_refuses(&germany(), "+0301234567", NotDialable::NoCountryCode);
    assert_refuses(&germany(), "+1234567890123456", NotDialable::TooLong);
    assert_refuses(&germany(), "7654321", NotDialable::NoNationalPrefix);
}

#[test]
fn refused_numbers_are_written_as_they_are_read() {
    for text in ["112", "0900*", "+49900*"] {
        assert_eq!(text.parse::<RefusedNumbers>().unwrap().to_string(), text);
    }
    for text in ["", "*", "+", "*88", "1 1 2", "123456789", "0900**"] {
        assert_eq!(
            text.parse::<RefusedNumbers>(),
            Err(RefusedNumbersError),
            "{text}"
        );
    }
    for number in RefusedNumbers::USUAL {
        assert_eq!(number.parse(), Ok(RefusedNumbers::One(number.to_owned())));
    }
}

fn any_dialling() -> impl Strategy<Value = Dialling> {
    let country = ("[1-9][0-9]{0,2}", "[01]?", any::<bool>());
    (
        prop::option::of(country),
        prop::collection::vec("[0-9a-z*]{1,3}", 0..3),
    )
        .prop_map(|(country, dial_prefixes)| Dialling {
            dial_prefixes,
            country: country.map(|(code, national_prefix, is_prefix_required)| Country {
                code,
                national_prefix,
                is_prefix_required,
            }),
            ..Dialling::default()
        })
}

proptest! {
    #[test]
    fn whoever_is_read_is_a_number_in_e164_form_or_a_user(
        dialling in any_dialling(),
        dialled in "((tel:|sip:)?(wa|9|\\+|00|0)?[0-9 .-]{0,18}(;phone-context=\\+[0-9]{1,3})?(@x)?|.{0,30})",
    ) {
        match dialling.read(&dialled) {
            Ok(Party::Number(number)) => {
                prop_assert_eq!(PhoneNumber::parse(number.expose()), Ok(number.clone()));
                prop_assert!((MIN_DIGITS..=MAX_DIGITS).contains(&number.expose_digits().len()));
            }
            Ok(Party::User(id)) => prop_assert_eq!(UserId::parse(id.expose()), Some(id)),
            Ok(Party::Other(_)) => prop_assert!(false),
            Err(why) => prop_assert!(!why.to_string().is_empty()),
        }
    }

    #[test]
    fn a_number_in_e164_form_stays_what_it_is(dialling in any_dialling(), number in "\\+[1-9][0-9]{8,14}") {
        let read = dialling.read(&number).unwrap();
        prop_assert_eq!(read.expose(), number);
    }
}
