//! What a PBX's INVITE asks for: which of our business numbers calls, whom, on behalf of which extension.

use crate::call::trunk::PeerId;
use crate::config::Config;
use crate::party::{Party, PhoneNumber};
use crate::sip::message::{Name, NameAddr, Request};
use crate::sip::uri::Uri;

/// Characters of a dialled string that are kept for the record.
const MAX_DIALLED: usize = 64;

/// Whom the PBX dialled.
pub struct Dialled {
    /// A number or a user id, unless there is an objection.
    pub user: Party,
    /// Why it is no user.
    pub objection: Option<String>,
}

pub fn dialled(config: &Config, peer: &PeerId, invite: &Request) -> Dialled {
    let trunk = config.trunks.get(&peer.trunk);
    let dialling = trunk.map_or(&config.dialling, |trunk| &trunk.dialling);
    match dialling.read(invite.uri.as_str()) {
        Ok(user) => Dialled {
            user,
            objection: None,
        },
        Err(objection) => {
            let user = invite.uri.user_name().unwrap_or_default();
            Dialled {
                user: Party::Other(user.chars().take(MAX_DIALLED).collect()),
                objection: Some(objection.to_string()),
            }
        }
    }
}

/// The business number that calls: the one that the caller shows, if it is one of ours, else the trunk's, else the only one
/// that there is.
pub fn number<'c>(config: &'c Config, peer: &PeerId, invite: &Request) -> Option<&'c PhoneNumber> {
    let shown = shown(invite).find_map(|uri| {
        let user = PhoneNumber::from_user_part(uri.user.as_deref()?).ok()?;
        config.numbers.get_key_value(&user)
    });
    let of_trunk = || {
        let number = config.trunks.get(&peer.trunk)?.number.as_ref()?;
        config.numbers.get_key_value(number)
    };
    let only = || {
        let mut numbers = config.numbers.iter();
        let first = numbers.next()?;
        numbers.next().is_none().then_some(first)
    };
    let (number, _) = shown.or_else(of_trunk).or_else(only)?;
    Some(number)
}

/// The agent's extension, as the PBX shows it.
pub fn caller(invite: &Request) -> String {
    let user = invite
        .headers
        .from()
        .ok()
        .and_then(|from| from.uri.user_name());
    let user = user.unwrap_or_else(|| "anonymous".to_owned());
    user.chars()
        .filter(|c| !c.is_control())
        .take(MAX_DIALLED)
        .collect()
}

/// Who calls, the asserted identity before From (RFC 3325 §9.1: the PBX is trusted).
fn shown(invite: &Request) -> impl Iterator<Item = Uri> {
    let asserted = invite.headers.all(&Name::PAssertedIdentity);
    let asserted = asserted.filter_map(|value| Some(NameAddr::parse(value)?.uri));
    let from = invite.headers.from().ok().map(|from| from.uri);
    asserted.chain(from)
}
