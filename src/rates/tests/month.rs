//! A month of calls against the same month in a spreadsheet, computed by hand.

use super::*;

/// Two countries, two tiers that begin early enough to be crossed by hand, and new prices from the 15th.
const CARDS: &str = "\
# A made-up card.
valid_from,currency,market,destinations,above_0,above_10
2026-06-01,USD,India,91 IN,0.005,0.0045
2026-06-01,USD,Indonesia,62 ID,0.024,0.02
2026-07-15,USD,India,91 IN,0.006,0.0051
2026-07-15,USD,Indonesia,62 ID,0.024,0.02
";

const INDIA: &str = "+919876543210";
const INDONESIA: &str = "+628123456789";

/// The spreadsheet. Columns as its formulas have them:
///
/// - P, pulses = CEILING(talk / 6);
/// - M, the market's minutes of the month so far, this call included = previous M + P / 10;
/// - R, price of a minute = tier 1 while M <= 10, else tier 2, from the card of the day;
/// - price in millionths of a dollar = P * R / 10 * 1000000.
///
/// | day | to | talk s | P | M | R | price |
/// |---|---|---|---|---|---|---|
/// | Jul 1 | India | 0.1 | 1 | 0.1 | 0.005 | 1 * 500 = 500 |
/// | Jul 1 | India | 6.0 | 1 | 0.2 | 0.005 | 1 * 500 = 500 |
/// | Jul 2 | India | 6.1 | 2 | 0.4 | 0.005 | 2 * 500 = 1000 |
/// | Jul 3 | India | 70 | 12 | 1.6 | 0.005 | 12 * 500 = 6000 |
/// | Jul 3 | Indonesia | 70 | 12 | 1.2 | 0.024 | 12 * 2400 = 28800 |
/// | Jul 4 | India | 504 | 84 | 10.0 | 0.005 | 84 * 500 = 42000 |
/// | Jul 5 | India | 0.1 | 1 | 10.1 | 0.0045 | 1 * 450 = 450 |
/// | Jul 14 | India | 56 | 10 | 11.1 | 0.0045 | 10 * 450 = 4500 |
/// | Jul 15 | India | 56 | 10 | 12.1 | 0.0051 | 10 * 510 = 5100 |
/// | Jul 20 | Indonesia | 600 | 100 | 11.2 | 0.02 | 100 * 2000 = 200000 |
/// | Jul 31 | Indonesia | 6.0 | 1 | 11.3 | 0.02 | 1 * 2000 = 2000 |
/// | sum | | | 234 | | | 290850 |
/// | Aug 1 | India | 6.0 | 1 | 0.1 | 0.006 | 1 * 600 = 600 |
/// | Aug 1 | Indonesia | 6.1 | 2 | 0.2 | 0.024 | 2 * 2400 = 4800 |
#[rustfmt::skip]
const SPREADSHEET: [(&str, &str, u64, u64, usize, &str, u64); 13] = [
    ("2026-07-01T09:00:00Z", INDIA,         100,   1, 1, "0.00500",     500),
    ("2026-07-01T10:00:00Z", INDIA,       6_000,   1, 1, "0.00500",     500),
    ("2026-07-02T10:00:00Z", INDIA,       6_100,   2, 1, "0.00500",   1_000),
    ("2026-07-03T10:00:00Z", INDIA,      70_000,  12, 1, "0.00500",   6_000),
    ("2026-07-03T11:00:00Z", INDONESIA,  70_000,  12, 1, "0.02400",  28_800),
    ("2026-07-04T10:00:00Z", INDIA,     504_000,  84, 1, "0.00500",  42_000),
    ("2026-07-05T10:00:00Z", INDIA,         100,   1, 2, "0.00450",     450),
    ("2026-07-14T23:59:59Z", INDIA,      56_000,  10, 2, "0.00450",   4_500),
    ("2026-07-15T00:00:00Z", INDIA,      56_000,  10, 2, "0.00510",   5_100),
    ("2026-07-20T10:00:00Z", INDONESIA, 600_000, 100, 2, "0.02000", 200_000),
    ("2026-07-31T23:59:59Z", INDONESIA,   6_000,   1, 2, "0.02000",   2_000),
    ("2026-08-01T00:00:00Z", INDIA,       6_000,   1, 1, "0.00600",     600),
    ("2026-08-01T00:00:01Z", INDONESIA,   6_100,   2, 1, "0.02400",   4_800),
];

#[test]
fn a_month_costs_what_the_spreadsheet_says() {
    let mut tariff = tariff(CARDS, TierScope::Market);
    let (mut pulses_of_july, mut price_of_july) = (0, 0);
    for (at, to, talk_ms, pulses, tier, rate, price) in SPREADSHEET {
        let user = user(to);
        let call = call(&user, time(at), Duration::from_millis(talk_ms));
        let charge = tariff.handle_call(&call).unwrap().unwrap();
        assert_eq!(charge.pulses.count(), pulses, "{at}");
        assert_eq!(charge.tier, tier, "{at}");
        assert_eq!(charge.rate.to_string(), rate, "{at}");
        assert_eq!(charge.price.micros, price, "{at}");
        if at.starts_with("2026-07") {
            pulses_of_july += charge.pulses.count();
            price_of_july += charge.price.micros;
        }
    }
    assert_eq!((pulses_of_july, price_of_july), (234, 290_850));
}

#[test]
fn a_call_that_crosses_a_border_costs_the_later_rate_as_a_whole() {
    let mut tariff = tariff(CARDS, TierScope::Market);
    let user = user(INDIA);
    // 10 minutes and a tenth of a second: 101 pulses, all at 0.0045.
    let call = call(
        &user,
        time("2026-07-01T10:00:00Z"),
        Duration::from_millis(600_100),
    );
    let charge = tariff.handle_call(&call).unwrap().unwrap();
    assert_eq!((charge.tier, charge.price.micros), (2, 101 * 450));
}

#[test]
fn minutes_of_the_whole_account_may_move_the_tier() {
    let user_of = [user(INDIA), user(INDONESIA)];
    let at = time("2026-07-01T10:00:00Z");
    for (scope, tier) in [(TierScope::Market, 1), (TierScope::Account, 2)] {
        let mut tariff = tariff(CARDS, scope);
        let long = call(&user_of[0], at, Duration::from_secs(600));
        assert_eq!(tariff.handle_call(&long).unwrap().unwrap().tier, 1);
        let short = call(&user_of[1], at, Duration::from_secs(1));
        assert_eq!(tariff.handle_call(&short).unwrap().unwrap().tier, tier);
    }
}

#[test]
fn calls_from_users_are_free_and_move_no_tier() {
    let mut tariff = tariff(CARDS, TierScope::Market);
    let user = user(INDIA);
    let at = time("2026-07-01T10:00:00Z");
    let free = PickedUp {
        by: Initiator::User,
        ..call(&user, at, Duration::from_secs(36_000))
    };
    assert_eq!(tariff.handle_call(&free), Ok(None));
    let paid = call(&user, at, Duration::from_secs(1));
    assert_eq!(tariff.handle_call(&paid).unwrap().unwrap().tier, 1);
}

#[test]
fn days_and_months_begin_at_the_accounts_midnight() {
    let book = RateBook::read(CARDS).unwrap();
    let zone = TimeZone::get("Asia/Kolkata").unwrap();
    let mut tariff = Tariff::new(terms(book, zone, TierScope::Market));
    let user = user(INDIA);
    let mut rate = |at| {
        let call = call(&user, time(at), Duration::from_secs(1));
        tariff.handle_call(&call).unwrap().unwrap().rate.to_string()
    };
    assert_eq!(rate("2026-07-14T18:29:59Z"), "0.00500");
    assert_eq!(rate("2026-07-14T18:30:00Z"), "0.00600");
}

#[test]
fn a_call_told_late_is_counted_in_its_own_month() {
    let mut tariff = tariff(CARDS, TierScope::Market);
    let user = user(INDIA);
    let mut tier = |at, seconds| {
        let call = call(&user, time(at), Duration::from_secs(seconds));
        tariff.handle_call(&call).map(|charge| charge.unwrap().tier)
    };
    assert_eq!(tier("2026-07-31T10:00:00Z", 600), Ok(1));
    assert_eq!(tier("2026-08-01T10:00:00Z", 600), Ok(1));
    assert_eq!(tier("2026-07-31T10:00:01Z", 1), Ok(2));
    assert_eq!(tier("2026-09-01T10:00:01Z", 1), Ok(1));
    assert_eq!(
        tier("2026-07-31T10:00:02Z", 1),
        Err(RatesError::MonthClosed {
            day: "2026-07-31".parse().unwrap()
        })
    );
    assert_eq!(tier("2026-08-31T10:00:02Z", 1), Ok(2));
}

#[test]
fn what_has_no_price_says_why_and_counts_nothing() {
    let cards = format!("{CARDS}2026-07-15,USD,Egypt,20 EG,not supported,not supported\n");
    let mut tariff = tariff(&cards, TierScope::Account);
    let mut error = |to, at| {
        let user = user(to);
        let call = call(&user, time(at), Duration::from_secs(6_000));
        tariff.handle_call(&call).unwrap_err().to_string()
    };
    let july = "2026-07-20T10:00:00Z";
    assert_eq!(
        error(INDIA, "2026-05-31T23:59:59Z"),
        "no rate card in USD is valid on 2026-05-31"
    );
    assert_eq!(
        error("+4930123456", july),
        "the rate card of 2026-07-15 has no market for this user"
    );
    assert_eq!(
        error("+201001234567", july),
        "by the rate card of 2026-07-15, Egypt cannot be called"
    );
    let user = user(INDIA);
    let call = call(&user, time(july), Duration::from_secs(1));
    assert_eq!(tariff.handle_call(&call).unwrap().unwrap().tier, 1);
}

#[test]
fn new_terms_keep_what_the_month_had() {
    let mut tariff = tariff(CARDS, TierScope::Market);
    let user = user(INDIA);
    let at = time("2026-07-01T10:00:00Z");
    let long = call(&user, at, Duration::from_secs(600));
    assert_eq!(tariff.handle_call(&long).unwrap().unwrap().tier, 1);
    let dearer = CARDS.replace("0.005,0.0045", "0.007,0.0065");
    let book = RateBook::read(&dearer).unwrap();
    tariff.follow(terms(book, TimeZone::UTC, TierScope::Market));
    let short = call(&user, at, Duration::from_secs(1));
    let charge = tariff.handle_call(&short).unwrap().unwrap();
    assert_eq!((charge.tier, charge.price.micros), (2, 650));
}

#[test]
fn usage_counts_from_the_accounts_last_month_on() {
    let book = RateBook::read(CARDS).unwrap();
    for (zone, now, since) in [
        ("UTC", "2026-11-20T10:00:00Z", "2026-10-01T00:00:00Z"),
        ("UTC", "2026-01-01T00:00:00Z", "2025-12-01T00:00:00Z"),
        (
            "Asia/Kolkata",
            "2026-10-31T18:29:59Z",
            "2026-08-31T18:30:00Z",
        ),
        (
            "Asia/Kolkata",
            "2026-10-31T18:30:00Z",
            "2026-09-30T18:30:00Z",
        ),
        (
            "America/Los_Angeles",
            "2026-12-01T08:00:00Z",
            "2026-11-01T07:00:00Z",
        ),
    ] {
        let terms = terms(
            book.clone(),
            TimeZone::get(zone).unwrap(),
            TierScope::Market,
        );
        assert_eq!(
            terms.counted_since(time(now)),
            Ok(time(since)),
            "{zone} {now}"
        );
    }
}
