//! What the PBX learns about the caller.

use super::confirm;
use crate::scene::pbx::Callee;
use crate::scene::whatsapp::{self, USER, WACID};
use crate::scene::wire::Sip;
use crate::scene::world::{PBX, WHATSAPP, World};

/// The INVITE that the PBX gets for this one.
fn passed_on(invite: Sip) -> Sip {
    let mut world = World::new();
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    let passed = callee.invite.clone();
    world.send(PBX, &callee.answer());
    confirm(&mut world, invite, callee).user_hangs_up(&mut world);
    world.finish_one();
    passed
}

#[test]
fn number_name_and_context() {
    let passed = passed_on(
        whatsapp::invite()
            .with("x-wa-meta-cta-payload", "order-42")
            .with("x-wa-meta-phone-number-id", "106540352242922"),
    );
    let from = passed.header("From");
    assert!(
        from.starts_with("\"Zoë \\\"Z\\\" Müller\" <sip:+12195550714@10.0.0.1>"),
        "{from}"
    );
    let asserted = passed.header("P-Asserted-Identity");
    assert!(
        asserted.ends_with("<sip:+12195550714@10.0.0.1>"),
        "{asserted}"
    );
    assert_eq!(passed.header("X-WA-Wacid"), WACID);
    assert_eq!(passed.header("X-WA-User-Id"), "US.13491208655302741918");
    assert_eq!(passed.header("X-WA-Country-Code"), "US");
    assert_eq!(passed.header("X-WA-Cta-Payload"), "order-42");
    // Not on the allow list.
    assert!(passed.get("X-WA-Phone-Number-Id").is_none());
    assert!(passed.get("X-FB-External-Domain").is_none());
}

/// A user without a visible number (dossier 2.3).
#[test]
fn a_business_scoped_user_id() {
    let bsuid = "US.ENT.11815799212886844830";
    let mut invite = whatsapp::invite();
    for (name, value) in &mut invite.headers {
        if name == "From" || name == "Contact" {
            *value = value.replace(USER, bsuid);
        }
    }
    let passed = passed_on(invite);
    assert_eq!(passed.address("From"), format!("sip:{bsuid}@10.0.0.1"));
    assert!(passed.header("P-Asserted-Identity").contains(bsuid));
}

/// Both spellings of Meta's pages and captures (dossier 2.4), with `_` for `-` too.
#[test]
fn spellings() {
    for name in [
        "x-wa-meta-country-code",
        "x-wa-meta-user-country-code",
        "X-WA-META-COUNTRY-CODE",
        "x-wa_meta-user-country_code",
    ] {
        let invite = whatsapp::invite().set("x-wa-meta-country-code", "");
        let mut invite = invite;
        invite
            .headers
            .retain(|(name, _)| name != "x-wa-meta-country-code");
        let passed = passed_on(invite.with(name, "IL"));
        assert_eq!(passed.get("X-WA-Country-Code"), Some("IL"), "{name}");
    }
}

/// Nothing of it is required: older samples carry none.
#[test]
fn without_any_context() {
    let mut invite = whatsapp::invite();
    invite
        .headers
        .retain(|(name, _)| !name.starts_with("x-wa-meta"));
    let passed = passed_on(invite);
    // The Call-ID holds it too.
    assert!(passed.header("X-WA-Wacid").starts_with("wacid."));
    assert!(passed.get("X-WA-User-Id").is_none());
}

/// A display name that repeats the number says nothing.
#[test]
fn a_number_as_name() {
    let invite = whatsapp::invite().set(
        "From",
        "\"12195550714\" <sip:+12195550714@wa.meta.vc>;tag=8a0f7e65-1",
    );
    let passed = passed_on(invite);
    assert!(
        passed.header("From").starts_with("<sip:+12195550714@"),
        "{}",
        passed.header("From")
    );
}

/// No value of the caller's can become a header or end a quotation.
#[test]
fn injection() {
    let invite = whatsapp::invite()
        .with("x-wa-meta-cta-payload", "a\tb\u{7f}\u{1}\"; X-Evil: 1")
        .set(
            "From",
            "\"x\\\" <sip:evil@evil>;tag=1\" <sip:+12195550714@wa.meta.vc>;tag=8a0f7e65-1",
        );
    let passed = passed_on(invite);
    assert_eq!(
        passed.address_of("P-Asserted-Identity"),
        "sip:+12195550714@10.0.0.1"
    );
    assert!(passed.get("X-Evil").is_none());
    assert!(!passed.header("X-WA-Cta-Payload").contains('\u{1}'));
}

impl Sip {
    /// The URI of a value whose display name may hold brackets.
    fn address_of(&self, name: &str) -> &str {
        let value = self.header(name);
        let (_, uri) = value.rsplit_once('<').expect("angle brackets");
        uri.split('>').next().expect("angle brackets")
    }
}
