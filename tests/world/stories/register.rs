//! Registering with a PBX that wants it.

use std::time::Duration;

use wabridge::config::{PeerCredentials, Register};

use crate::scene::wire::{Sip, parameter};
use crate::scene::world::{PBX, World};

fn registering() -> World {
    World::with(|config| {
        let peer = &mut config.trunks.get_mut("office").unwrap().peers[0];
        peer.register = Some(Register {
            user: "wabridge-trunk".to_owned(),
            expires: Duration::from_secs(600),
        });
        peer.credentials = Some(PeerCredentials {
            username: "wabridge-trunk".to_owned(),
            password: "secret".into(),
        });
    })
}

fn accept(world: &mut World, register: &Sip, expires: u32) {
    let contact = format!("{};expires={expires}", register.header("Contact"));
    let to = format!("{};tag=reg", register.header("To"));
    let ok = register
        .reply(200, "OK")
        .set("To", to)
        .with("Contact", contact);
    world.send(PBX, &ok);
}

#[test]
fn at_once_and_before_it_expires() {
    let mut world = registering();
    let register = world.expect(PBX, "REGISTER");
    assert_eq!(register.header("Expires"), "600");
    assert_eq!(
        register.address("Contact"),
        "sip:wabridge-trunk@10.0.0.1:5060"
    );
    accept(&mut world, &register, 120);
    world.run(Duration::from_secs(60));
    let again = world.expect(PBX, "REGISTER");
    let elapsed = world.elapsed().as_secs();
    assert!((100..=110).contains(&elapsed), "{elapsed}");
    assert_eq!(again.header("Call-ID"), register.header("Call-ID"));
    assert_eq!(again.cseq().0, register.cseq().0 + 1);
    accept(&mut world, &again, 120);
}

#[test]
fn with_credentials() {
    let mut world = registering();
    let register = world.expect(PBX, "REGISTER");
    let to = format!("{};tag=reg", register.header("To"));
    let challenge = register.reply(401, "Unauthorized").set("To", to).with(
        "WWW-Authenticate",
        "Digest realm=\"asterisk\",nonce=\"abc\",algorithm=MD5,qop=\"auth\"",
    );
    world.send(PBX, &challenge);
    let proven = world.expect(PBX, "REGISTER");
    let authorization = proven.header("Authorization");
    assert_eq!(parameter(authorization, "username"), Some("wabridge-trunk"));
    assert!(proven.cseq().0 > register.cseq().0);
    accept(&mut world, &proven, 600);
    world.run(Duration::from_secs(500));
    let again = world.expect(PBX, "REGISTER");
    assert_eq!(again.header("Call-ID"), register.header("Call-ID"));
    assert_eq!(again.cseq().0, proven.cseq().0 + 1);
    accept(&mut world, &again, 600);
}

/// Other phones are registered as the same user, and one says its name as we do.
#[test]
fn among_other_bindings() {
    let mut world = registering();
    let register = world.expect(PBX, "REGISTER");
    let ok = register
        .reply(200, "OK")
        .set("To", format!("{};tag=reg", register.header("To")))
        .with("Contact", "<sip:wabridge-trunk@10.0.0.66:5060>;expires=20")
        .with("Contact", "<sip:wabridge-trunk@10.0.0.1:6060>;expires=30")
        .with(
            "Contact",
            format!("{};expires=300", register.header("Contact")),
        );
    world.send(PBX, &ok);
    world.run(Duration::from_secs(250));
    let again = world.expect(PBX, "REGISTER");
    let elapsed = world.elapsed().as_secs();
    assert!((265..=275).contains(&elapsed), "{elapsed}");
    accept(&mut world, &again, 300);
}

/// Before the process leaves, the binding is taken back (RFC 3261 §10.2.2).
#[test]
fn until_we_leave() {
    let mut world = registering();
    let register = world.expect(PBX, "REGISTER");
    accept(&mut world, &register, 600);
    world.run(Duration::from_secs(10));
    world.input(|board, now| board.drain(now));
    world.expect_nothing(PBX, Duration::from_secs(5));
    world.input(|board, now| board.sign_off(now));
    let last = world.expect(PBX, "REGISTER");
    assert_eq!(last.header("Expires"), "0");
    assert_eq!(last.address("Contact"), register.address("Contact"));
    assert_eq!(last.header("Call-ID"), register.header("Call-ID"));
    assert_eq!(last.cseq().0, register.cseq().0 + 1);
    assert!(world.board.is_idle() && !world.board.is_quiet());
    world.send(PBX, &last.reply(200, "OK"));
    world.run(Duration::from_secs(1));
    assert!(world.board.is_quiet());
    world.expect_nothing(PBX, Duration::from_secs(3600));
}

/// Refused, silent, too brief: it keeps trying, with growing pauses.
#[test]
fn when_it_is_refused() {
    let mut world = registering();
    let mut times = Vec::new();
    for _ in 0..4 {
        let register = world.expect(PBX, "REGISTER");
        times.push(world.elapsed().as_secs());
        let to = format!("{};tag=reg", register.header("To"));
        world.send(PBX, &register.reply(403, "Forbidden").set("To", to));
    }
    assert_eq!(times, [0, 5, 15, 35]);
    let register = world.expect(PBX, "REGISTER");
    let to = format!("{};tag=reg", register.header("To"));
    let brief = register
        .reply(423, "Interval Too Brief")
        .set("To", to)
        .with("Min-Expires", "1800");
    world.send(PBX, &brief);
    world.run(Duration::from_secs(60));
    let register = world.expect(PBX, "REGISTER");
    assert_eq!(register.header("Expires"), "1800");
    accept(&mut world, &register, 1800);
}
