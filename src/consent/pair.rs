//! Who calls whom.

use crate::party::{Party, PhoneNumber, UserId};

/// A business number and a WhatsApp user. A user known by number and by business-scoped id is two pairs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pair {
    number: PhoneNumber,
    user: Party,
}

impl Pair {
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
