//! One story a file.

mod answered;
mod any_sequence;
mod callee_refuses;
mod caller_cancels;
mod caller_identity;
mod cancel_crosses_answer;
mod challenge;
mod changes;
mod click_to_call;
mod cost;
mod digits;
mod failover;
mod forked;
mod hang_up;
mod hold;
mod in_dialog;
mod late_offer;
mod levels;
mod links;
mod media;
mod no_ack;
mod no_answer;
mod outbound;
mod prack;
mod probing;
mod quality;
mod record_route;
mod register;
mod routing;
mod service;
mod session_timer;
mod transfer;
mod transports;
mod unbroken_sound;
mod webrtc;
mod webrtc_sound;

use crate::scene::pbx::Callee;
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{PBX, WHATSAPP, World};

/// A call that both sides speak in.
pub struct Talk {
    pub invite: Sip,
    pub ok: Sip,
    pub callee: Callee,
}

/// The user calls; the PBX has the INVITE.
pub fn calling(world: &mut World) -> (Sip, Callee) {
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    (invite, callee)
}

/// ... and it rings.
pub fn ringing(world: &mut World) -> (Sip, Callee) {
    let (invite, callee) = calling(world);
    world.send(PBX, &callee.ringing());
    world.expect(WHATSAPP, "180");
    (invite, callee)
}

/// ... and is answered and confirmed on both sides.
pub fn talking(world: &mut World) -> Talk {
    let (invite, callee) = ringing(world);
    world.send(PBX, &callee.answer());
    confirm(world, invite, callee)
}

/// The PBX's 200 is out.
pub fn confirm(world: &mut World, invite: Sip, callee: Callee) -> Talk {
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(PBX, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    world.run(std::time::Duration::from_millis(100));
    Talk { invite, ok, callee }
}

impl Talk {
    /// The user hangs up.
    pub fn user_hangs_up(&self, world: &mut World) {
        world.send(WHATSAPP, &whatsapp::bye(&self.invite, &self.ok));
        world.expect(WHATSAPP, "200 BYE");
        let bye = world.expect(PBX, "BYE");
        world.send(PBX, &bye.reply(200, "OK"));
    }
}
