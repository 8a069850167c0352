//! Rate cards as files.

use proptest::prelude::*;

use super::*;

const HEADER: &str = "valid_from,currency,market,destinations,above_0,above_50000\n";

fn mistakes(text: &str) -> String {
    RateBook::read(text).unwrap_err().to_string()
}

#[test]
fn the_example_is_read_and_knows_every_country() {
    let text = include_str!("../../../examples/rates-2026-list.csv");
    let book = RateBook::read(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let card = book.card(usd(), "2026-11-20".parse().unwrap()).unwrap();
    for (to, market) in [
        ("+919876543210", "India"),
        ("IN.13491208655302741918", "India"),
        ("+31201234567", "Netherlands"),
        ("+4930123456", "Germany"),
        ("+79161234567", "Russia"),
        ("+77012345678", "Other"),
        ("+12195550714", "USA / Canada"),
        ("US.13491208655302741918", "USA / Canada"),
        ("+18765550714", "Rest of Latin America"),
        ("+12425550714", "Other"),
        ("+35312345678", "Rest of Western Europe"),
        ("+48221234567", "Rest of Central & Eastern Europe"),
        ("+254712345678", "Rest of Africa"),
        ("+84901234567", "Rest of Asia Pacific"),
        ("+96512345678", "Rest of Middle East"),
        ("+3541234567", "Other"),
        ("IS.13491208655302741918", "Other"),
    ] {
        assert_eq!(card.market(&user(to)).unwrap().name, market, "{to}");
    }
    assert_eq!(card.market(&user("reception")), None);
}

#[test]
fn the_example_has_prices_or_says_that_there_is_none() {
    let text = include_str!("../../../examples/rates-2026-list.csv");
    let mut tariff = tariff(text, TierScope::Market);
    let mut price = |to| {
        let user = user(to);
        let call = call(&user, time("2026-11-20T10:00:00Z"), Duration::from_secs(61));
        let charge = tariff.handle_call(&call)?;
        Ok::<_, RatesError>(charge.unwrap().price.to_string())
    };
    assert_eq!(price("+919876543210"), Ok("0.005500 USD".to_owned()));
    assert_eq!(price("+628123456789"), Ok("0.026400 USD".to_owned()));
    assert!(matches!(
        price("+12195550714"),
        Err(RatesError::NotSupported { .. })
    ));
}

#[test]
fn the_latest_card_that_is_valid_counts() {
    let text = "valid_from,currency,market,destinations,above_0\n\
                2026-10-01,USD,All,*,3\n2026-04-01,USD,All,*,1\n\
                2026-07-01,USD,All,*,2\n2026-07-01,EUR,All,*,9\n";
    let book = RateBook::read(text).unwrap();
    let valid_from = |currency: &str, day: &str| {
        let card = book.card(currency.parse().unwrap(), day.parse().unwrap())?;
        Some(card.valid_from.to_string())
    };
    assert_eq!(valid_from("USD", "2026-03-31"), None);
    assert_eq!(
        valid_from("USD", "2026-06-30"),
        Some("2026-04-01".to_owned())
    );
    assert_eq!(
        valid_from("USD", "2026-07-01"),
        Some("2026-07-01".to_owned())
    );
    assert_eq!(
        valid_from("USD", "2030-01-01"),
        Some("2026-10-01".to_owned())
    );
    assert_eq!(
        valid_from("EUR", "2030-01-01"),
        Some("2026-07-01".to_owned())
    );
    assert_eq!(valid_from("BRL", "2030-01-01"), None);
}

#[test]
fn books_are_put_together_card_by_card() {
    let card = |day: &str, rate: &str| {
        let text = format!(
            "\u{feff}valid_from,currency,market,destinations,above_0\n{day},USD,All,*,{rate}\n"
        );
        RateBook::read(&text).unwrap()
    };
    let mut book = card("2026-04-01", "1");
    assert_eq!(book.add(card("2026-01-01", "2")), []);
    let day: jiff::civil::Date = "2026-04-01".parse().unwrap();
    assert_eq!(book.add(card("2026-04-01", "3")), [(day, usd())]);
    assert_eq!(book.begins(usd()), Some("2026-01-01".parse().unwrap()));
    assert_eq!(book.begins("EUR".parse().unwrap()), None);
    assert_eq!(
        book.card(usd(), day),
        card("2026-04-01", "1").card(usd(), day)
    );
}

#[test]
fn every_mistake_is_told_with_its_line_and_remedy() {
    let text = format!(
        "# Comments count as lines.\n{HEADER}\
         2026-07-01,USD,India,91 IN,0.005,0.0045\n\
         1.7.2026,USD,A,1,1,1\n\
         2026-07-01,Dollar,B,2,1,1\n\
         2026-07-01,USD,,3,1,1\n\
         2026-07-01,USD,D,+4,1,1\n\
         2026-07-01,USD,E,,1,1\n\
         2026-07-01,USD,F,6,\"0,5\",1\n\
         2026-07-01,USD,G,7,0.0000001,1\n\
         2026-07-01,USD,H,8,1,not supported\n\
         2026-07-01,USD,I,9,1\n\
         2026-07-01,USD,India,10,1,1\n\
         2026-07-01,USD,K,11 91,1,1\n"
    );
    let expected = "\
line 4: \"1.7.2026\" is no day; write a day as in 2026-07-01
line 5: \"Dollar\" is no currency; write three capital letters, as in USD
line 6: \"\" is no market; write a name of at most 64 characters
line 7: \"+4\" is no list of destinations; write first digits (91), countries (IN) or *, with spaces between
line 8: \"\" is no list of destinations; write first digits (91), countries (IN) or *, with spaces between
line 9: \"0,5\": a rate is written as in 0.0103; write the price of a minute as in 0.0103, or \"not supported\" in every tier
line 10: \"0.0000001\": a rate has at most five digits behind the point; write the price of a minute as in 0.0103, or \"not supported\" in every tier
line 11: \"not supported\": a rate is written as in 0.0103; write the price of a minute as in 0.0103, or \"not supported\" in every tier
line 12: the row has 5 cells, the header 6; write a value for each column
line 13: India is in this card already; remove one of the two rows
line 14: 91 is in this card already; a destination belongs to one market";
    assert_eq!(mistakes(&text), expected);
}

#[test]
fn the_header_is_read_as_strictly() {
    for (text, problem) in [
        ("", "the table is empty"),
        ("# nothing\n", "the table is empty"),
        (HEADER, "there is no rate"),
        ("market,rate\n", "these are not the columns"),
        (
            "valid_from,currency,market,destinations\n",
            "the tiers are not in order",
        ),
        (
            "valid_from,currency,market,destinations,above_10\n",
            "the tiers are not in order",
        ),
        (
            "valid_from,currency,market,destinations,above_0,above_9,above_9\n",
            "the tiers are not in order",
        ),
        (
            "valid_from,currency,market,destinations,above_0,below_9\n",
            "\"below_9\" is not a tier",
        ),
    ] {
        let mistakes = mistakes(text);
        assert!(mistakes.contains(problem), "{text}: {mistakes}");
    }
}

#[test]
fn a_table_has_an_end() {
    let rows: String = (0..10_001)
        .map(|row| format!("2026-07-01,USD,M{row},{},1,1\n", row + 10))
        .collect();
    let mistakes = mistakes(&format!("{HEADER}{rows}"));
    assert!(mistakes.contains("more than 10000 rows"), "{mistakes}");
}

proptest! {
    #[test]
    fn any_text_is_survived(rows in "(.{0,30}[,\n\"#]){0,20}") {
        let _ = RateBook::read(&rows);
        let _ = RateBook::read(&format!("{HEADER}{rows}"));
        let _ = RateBook::read(&format!("{HEADER}2026-07-01,USD,{rows}"));
    }
}
