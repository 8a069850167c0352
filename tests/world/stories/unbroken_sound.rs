//! With real bridges: whatever the PBX does to its leg, the stream toward WhatsApp is one SSRC without a gap (dossier
//! 3.3: 20 s and 30 s rules), and its first packet is ours, right after the answer.

use std::net::SocketAddr;
use std::time::Duration;

use wabridge::side::Side;

use super::{Talk, confirm, ringing};
use crate::scene::sdp::PbxSdp;
use crate::scene::sound::{Rtp, assert_unbroken};
use crate::scene::world::{PBX, World};

/// A phone behind the PBX that speaks.
struct Phone {
    address: SocketAddr,
    payload_type: u8,
    frames: u16,
}

impl Phone {
    fn speaks(&mut self, world: &mut World, seconds: u16) {
        for _ in 0..seconds * 50 {
            let header = Rtp {
                at: world.moment().instant,
                to: self.address,
                payload_type: self.payload_type,
                sequence: self.frames,
                timestamp: u32::from(self.frames) * 160,
                ssrc: 77,
            };
            self.frames += 1;
            world.hear(Side::B, self.address, header);
            world.run(Duration::from_millis(20));
        }
    }
}

fn reinvite(world: &mut World, talk: &mut Talk, sdp: &PbxSdp) {
    let request = talk.callee.request("INVITE").with_sdp(sdp.text());
    world.send(PBX, &request);
    world.expect(PBX, "200 INVITE");
    world.send(PBX, &talk.callee.ack(&request));
    world.run(Duration::from_millis(50));
}

#[test]
fn through_hold_codec_change_and_direct_media() {
    // The user of this story says nothing.
    let mut world = World::with(|config| {
        let whatsapp = config.profiles.get_mut("meta").unwrap();
        whatsapp.media.media_timeout = Duration::ZERO;
    });
    world.play_real_sound();
    let (invite, callee) = ringing(&mut world);
    assert!(world.sent(Side::A).is_empty(), "nothing before the answer");
    world.send(PBX, &callee.answer());
    let mut talk = confirm(&mut world, invite, callee);
    let first = world.sent(Side::A)[0];
    assert_eq!(first.to, "157.240.19.130:3480".parse().unwrap());
    assert_eq!(first.payload_type, 111);

    let mut phone = Phone {
        address: "10.0.0.20:14000".parse().unwrap(),
        payload_type: 0,
        frames: 0,
    };
    phone.speaks(&mut world, 5);
    let hold = PbxSdp {
        version: 2,
        direction: "inactive",
        ..PbxSdp::default()
    };
    reinvite(&mut world, &mut talk, &hold);
    world.run(Duration::from_secs(40));
    let alaw_elsewhere = PbxSdp {
        version: 3,
        address: "10.0.0.99",
        port: 40_000,
        codec: (8, "PCMA/8000"),
        ..PbxSdp::default()
    };
    reinvite(&mut world, &mut talk, &alaw_elsewhere);
    phone.address = "10.0.0.99:40000".parse().unwrap();
    phone.payload_type = 8;
    phone.speaks(&mut world, 5);

    let toward_user = world.sent(Side::A);
    assert_unbroken(toward_user, 960);
    assert!(toward_user.len() > 50 * 49, "{}", toward_user.len());
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(
        (agreed.remote_rtp, agreed.send_pt.0),
        (Some(phone.address), 8)
    );
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
