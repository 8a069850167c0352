//! What calls cost is in their CDRs.

use std::time::Duration;

use wabridge::call::cdr::Cdr;
use wabridge::config::Config;
use wabridge::rates::{RateBook, Terms, TierScope};

use super::outbound::out_talking;
use super::{confirm, ringing};
use crate::scene::config;
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

fn with_rates(config: &mut Config, first: &str, later: &str) {
    let card = format!(
        "valid_from,currency,market,destinations,above_0,above_2\n\
         2026-01-01,USD,All,*,{first},{later}\n"
    );
    config.rates = Some(Terms {
        book: RateBook::read(&card).unwrap(),
        currency: "USD".parse().unwrap(),
        zone: jiff::tz::TimeZone::UTC,
        scope: TierScope::Market,
    });
}

fn cost(cdr: &Cdr) -> (u64, usize, String) {
    let charge = cdr.charge.as_ref().expect("a charge");
    (charge.pulses.count(), charge.tier, charge.price.to_string())
}

/// WhatsApp's count where it hangs up, ours where the agent does; a reload brings new prices and keeps the month.
#[test]
fn of_calls_to_users() {
    let mut world = World::with(|config| with_rates(config, "0.01", "0.005"));
    let talk = out_talking(&mut world);
    world.run(Duration::from_secs(50));
    world.send(WHATSAPP, &whatsapp::callee_bye(&talk.invite, &talk.answer));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.run(Duration::from_secs(5));

    let mut config = config::config();
    with_rates(&mut config, "0.02", "0.01");
    world.reconfigure(config);
    let mut talk = out_talking(&mut world);
    world.run(Duration::from_secs(60));
    talk.agent_hangs_up(&mut world);
    let cdrs = world.finish();
    assert_eq!(cdrs[0].whatsapp_duration_s, Some(61));
    assert_eq!(cost(&cdrs[0]), (11, 1, "0.011000 USD".to_owned()));
    assert_eq!(cdrs[1].whatsapp_duration_s, None);
    assert_eq!(cost(&cdrs[1]), (11, 2, "0.011000 USD".to_owned()));
}

#[test]
fn of_calls_from_users_there_is_none() {
    let mut world = World::with(|config| with_rates(config, "0.01", "0.005"));
    let (invite, callee) = ringing(&mut world);
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    world.run(Duration::from_secs(60));
    talk.user_hangs_up(&mut world);
    let cdr = world.finish_one();
    assert_eq!((cdr.charge, cdr.charge_error), (None, None));
}
