use serde_json::{Value, json};

use super::*;

/// A CDR's charge against the table's line.
fn assert_charged(cdr: &Cdr, line: &Line) {
    let json = serde_json::to_value(cdr).unwrap();
    let expected = match &line.charge {
        Some([market, pulses, tier, rate, price]) => json!({
            "pulses": pulses.parse::<u64>().unwrap(),
            "market": market,
            "tier": tier.parse::<u64>().unwrap(),
            "rate_per_minute": rate,
            "price": price,
            "currency": "USD",
        }),
        None => Value::Null,
    };
    assert_eq!(json["charge"], expected, "{}", cdr.call);
    assert_eq!(json["charge_error"], json!(line.why), "{}", cdr.call);
}

#[test]
fn every_call_costs_what_the_table_says() {
    let mut charging = Charging::new(Some(&terms()));
    for (line, index) in lines().iter().zip(0..) {
        let mut cdr = line.cdr(index);
        charging.charge(&mut cdr);
        assert_charged(&cdr, line);
    }
}

#[test]
fn so_it_does_when_the_daemon_begins_anew_before_each_call() {
    let disk = Disk::new();
    for (line, index) in lines().iter().zip(0..) {
        let mut cdr = line.cdr(index);
        disk.charging(cdr.ended).charge(&mut cdr);
        assert_charged(&cdr, line);
        disk.keep(&cdr);
    }
}

/// Sums of the table, by hand as well.
#[test]
fn the_command_sums_the_month() {
    let disk = Disk::with_month();
    let (code, said) = disk.cdr(&format!("--sum month --zone {ZONE} --format csv"));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said,
        "month,calls,answered,talk_s,pulses,price_USD,unpriced,setup_mean_s,mos_from_user_mean,mos_to_user_mean\n\
         2026-10,1,1,70.000,12,0.006000,0,5.000,,\n\
         2026-11,18,17,2494.400,316,0.223800,1,5.000,,\n\
         2026-12,1,1,6.100,2,0.001000,0,5.000,,\n"
    );
    let november = format!("--from 2026-11-01 --to 2026-11-30 --zone {ZONE}");
    let (_, said) = disk.cdr(&format!("{november} --sum market,direction --format json"));
    let sums: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |market: &str| {
        let sum = sums
            .iter()
            .find(|sum| sum["market"] == market && sum["direction"] == "business_initiated");
        let sum = sum.unwrap_or_else(|| panic!("{market} is not in {said}"));
        (sum["pulses"].clone(), sum["price"].clone())
    };
    assert_eq!(of("India"), (json!(204), json!({"USD": "0.096600"})));
    assert_eq!(of("Germany"), (json!(101), json!({"USD": "0.100800"})));
    assert_eq!(of("Indonesia"), (json!(11), json!({"USD": "0.026400"})));
    let (_, said) = disk.cdr(&format!("{november} --sum"));
    let last = said.lines().last().unwrap();
    let cells: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(
        cells,
        ["18", "17", "0:41:34", "316", "0.223800", "1", "5.000"]
    );
}
