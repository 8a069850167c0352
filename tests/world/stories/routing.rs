//! Where calls go: number, payload, country, hour.

use jiff::civil::{Weekday, time};
use jiff::tz::TimeZone;
use wabridge::config::{Hours, Route};

use super::confirm;
use crate::scene::config::number;
use crate::scene::pbx::Callee;
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{PBX, WHATSAPP, World};

fn route(extension: &str) -> Route {
    Route {
        number: None,
        payload_prefix: None,
        countries: Vec::new(),
        hours: None,
        trunk: "office".to_owned(),
        extension: Some(extension.to_owned()),
    }
}

/// The user part that is dialled on the PBX.
fn dialled(world: &mut World, invite: Sip) -> String {
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    let uri = callee.invite.uri().to_owned();
    world.send(PBX, &callee.answer());
    confirm(world, invite, callee).user_hangs_up(world);
    let (user, _) = uri.trim_start_matches("sip:").split_once('@').unwrap();
    user.to_owned()
}

#[test]
fn by_payload() {
    let mut world = World::with(|config| {
        config.routes = vec![Route {
            payload_prefix: Some("sales".to_owned()),
            ..route("sales")
        }];
    });
    let button = whatsapp::invite_number(1).with("x-wa-meta-cta-payload", "sales-42");
    assert_eq!(dialled(&mut world, button), "sales");
    let link = whatsapp::invite_number(2).with("x-wa-meta-deeplink-payload", "sales");
    assert_eq!(dialled(&mut world, link), "sales");
    let other = whatsapp::invite_number(3).with("x-wa-meta-cta-payload", "support");
    assert_eq!(dialled(&mut world, other), "agents");
    assert_eq!(dialled(&mut world, whatsapp::invite_number(4)), "agents");
}

#[test]
fn by_country() {
    let mut world = World::with(|config| {
        config.routes = vec![
            Route {
                countries: vec!["DE".to_owned(), "AT".to_owned()],
                ..route("deutsch")
            },
            Route {
                countries: vec!["US".to_owned()],
                ..route("english")
            },
        ];
    });
    assert_eq!(dialled(&mut world, whatsapp::invite_number(1)), "english");
    let german = whatsapp::invite_number(2).set("x-wa-meta-country-code", "de");
    assert_eq!(dialled(&mut world, german), "deutsch");
    let nobody = whatsapp::invite_number(3).set("x-wa-meta-country-code", "IL");
    assert_eq!(dialled(&mut world, nobody), "agents");
}

#[test]
fn by_hour() {
    let weekday = |day| (day, time(9, 0, 0, 0), time(17, 0, 0, 0));
    let mut world = World::with(|config| {
        config.routes = vec![Route {
            hours: Some(Hours {
                zone: TimeZone::fixed(jiff::tz::offset(1)),
                windows: vec![weekday(Weekday::Thursday), weekday(Weekday::Friday)],
            }),
            ..route("day")
        }];
    });
    // Friday, 11:00 local.
    assert_eq!(dialled(&mut world, whatsapp::invite_number(1)), "day");
    world.set_wall("2026-11-20T16:30:00Z");
    assert_eq!(dialled(&mut world, whatsapp::invite_number(2)), "agents");
    world.set_wall("2026-11-21T10:00:00Z");
    assert_eq!(dialled(&mut world, whatsapp::invite_number(3)), "agents");
}

#[test]
fn by_number() {
    let mut world = World::with(|config| {
        config.numbers.extend([number("+17015550111")]);
        config.routes = vec![Route {
            number: Some("+17015550111".parse().unwrap()),
            ..route("second")
        }];
    });
    assert_eq!(dialled(&mut world, whatsapp::invite_number(1)), "agents");
    let mut second = whatsapp::invite_number(2);
    second.start = second.start.replace("+17015550100", "+17015550111");
    assert_eq!(dialled(&mut world, second), "second");
}

/// User parameters in the request URI (dossier 2.2), and a number without `+`.
#[test]
fn however_the_number_is_written() {
    let mut world = World::new();
    for (call, user) in [
        (1, "+17015550100;tgrp=wacall;trunk-context=byoc.example.com"),
        (2, "17015550100"),
        (3, "%2B17015550100"),
    ] {
        let mut invite = whatsapp::invite_number(call);
        invite.start = invite.start.replace("+17015550100", user);
        assert_eq!(dialled(&mut world, invite), "agents", "{user}");
    }
}

/// Without an extension the number itself is dialled.
#[test]
fn the_number_as_extension() {
    let mut world = World::with(|config| {
        let number = config.numbers.values_mut().next().unwrap();
        number.extension = None;
    });
    assert_eq!(dialled(&mut world, whatsapp::invite()), "+17015550100");
}
