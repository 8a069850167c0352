//! Who calls whom.

use serde::{Deserialize, Serialize};

use crate::party::{Party, PhoneNumber, UserId};

/// A business number and a WhatsApp user. A user known by number and by business-scoped id is two pairs. Serialised, it shows
/// both in full.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Pair {
    number: PhoneNumber,
    user: Party,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    number: String,
    user: String,
}

impl Pair {
    /// Reads `+4930123456`, and a number or a user id.
    pub fn parse(number: &str, user: &str) -> Result<Self, &'static str> {
        let number = PhoneNumber::parse(number)
            .map_err(|_| "number is not a business number with + in E.164 form")?;
        Party::from_user_part(user)
            .and_then(|user| Self::new(number, user))
            .ok_or("user is neither a number with + in E.164 form nor a user id")
    }

    /// `None`: `user` is neither a number nor a user id.
    pub fn new(number: PhoneNumber, user: Party) -> Option<Self> {
        match user {
            Party::Number(_) | Party::User(_) => Some(Self { number, user }),
            Party::Other(_) => None,
        }
    }

    pub fn of_number(number: PhoneNumber, user: PhoneNumber) -> Self {
        let user = Party::Number(user);
        Self { number, user }
    }

    pub fn of_user_id(number: PhoneNumber, user: UserId) -> Self {
        let user = Party::User(user);
        Self { number, user }
    }

    pub fn number(&self) -> &PhoneNumber {
        &self.number
    }

    /// [`Party::Number`] or [`Party::User`].
    pub fn user(&self) -> &Party {
        &self.user
    }
}

impl TryFrom<Text> for Pair {
    type Error = &'static str;

    fn try_from(text: Text) -> Result<Self, Self::Error> {
        Self::parse(&text.number, &text.user)
    }
}

impl From<Pair> for Text {
    fn from(pair: Pair) -> Self {
        Self {
            number: pair.number.expose().to_owned(),
            user: pair.user.expose().to_owned(),
        }
    }
}
