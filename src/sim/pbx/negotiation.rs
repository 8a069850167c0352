//! Offer and answer (RFC 3264): what of the far side's description we take.

use crate::sim::media::crypto::Key;
use crate::sim::media::session::Order;
use crate::sim::pbx::behaviour::Security;
use crate::sim::pbx::call::Call;
use crate::sim::pbx::description::Own;
use crate::sim::sdp::{Described, Direction};
use crate::sim::sip::Message;

impl Call {
    /// Reads an offer and makes our description the answer to it. `None` when there is nothing in common.
    pub async fn answer_offer(&mut self, offer: &Message) -> Option<String> {
        let theirs = Described::read(&offer.body_text()).ok()?;
        let encrypted = theirs.profile.contains("SAVP");
        let fits = match self.behaviour.security {
            Security::IfOffered => true,
            Security::Never => !encrypted,
            Security::Required => encrypted,
        };
        let mut own = self.own.clone();
        let wanted = &self.behaviour.codecs;
        own.codecs = theirs.codecs();
        own.codecs.retain(|(_, codec)| wanted.contains(codec));
        own.codecs
            .sort_by_key(|(_, codec)| wanted.iter().position(|one| one == codec));
        own.event = theirs.telephone_event();
        own.rtcp_mux = theirs.rtcp_mux;
        own.key = self.key_for(&theirs);
        let keyed = own.key.is_some() == encrypted;
        if !fits || !keyed || own.codecs.is_empty() || theirs.port == 0 {
            return None;
        }
        let before = std::mem::replace(&mut self.own, own);
        if self.own.write() != before.write() {
            self.own.version += 1;
        }
        let text = Own {
            direction: narrowed(self.own.direction, theirs.direction),
            ..self.own.clone()
        }
        .write();
        self.settle(&theirs).await;
        Some(text)
    }

    /// The first suite that we know; our key stays while the suite does.
    fn key_for(&mut self, theirs: &Described) -> Option<(u32, Key)> {
        let offered = theirs.crypto.first()?;
        let suite = offered.key.suite();
        match self.own.key.take() {
            Some((_, key)) if key.suite() == suite => Some((offered.tag, key)),
            _ => Some((offered.tag, Key::random(suite, &mut self.entropy))),
        }
    }

    pub async fn settle(&mut self, theirs: &Described) {
        // We speak the first codec of ours that they take.
        let mut ordered = theirs.clone();
        let own = &self.own.codecs;
        let rank = |pt: &u8| {
            let codecs = theirs.codecs();
            let codec = codecs
                .iter()
                .find(|(one, _)| one == pt)
                .map(|(_, codec)| *codec);
            own.iter()
                .position(|(_, one)| Some(*one) == codec)
                .unwrap_or(usize::MAX)
        };
        ordered.payloads.sort_by_key(rank);
        if let Some(settled) = self.own.settle(&ordered) {
            self.session.order(Order::Settle(Box::new(settled))).await;
        }
    }
}

/// What an answerer says who wants `own`, to an offer of `theirs`.
fn narrowed(own: Direction, theirs: Direction) -> Direction {
    let sends = own.sends() && theirs.receives();
    let receives = own.receives() && theirs.sends();
    match (sends, receives) {
        (true, true) => Direction::Sendrecv,
        (true, false) => Direction::Sendonly,
        (false, true) => Direction::Recvonly,
        (false, false) => Direction::Inactive,
    }
}
