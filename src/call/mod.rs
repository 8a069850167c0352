//! The back-to-back user agent: which calls there are, what each leg does, what crosses from one to the other, how a
//! call ends and what is written down about it. Pure, like the engines below it.
//!
//! [`switchboard`] is the door. An INVITE passes [`admission`], becomes a [`line`] in [`reception`] (a user's by
//! [`routing`], with what [`identity`] tells of the caller; an agent's by [`outbound`]), and is a [`call`] with two
//! [`leg`]s from then on; [`sip_leg`] is the kind of leg there is. Beside the calls: [`trunk`]s and their [`probing`],
//! [`registration`], our own [`health`]. [`ending`] says how calls end, [`cdr`] what stays of them, [`charging`] what they
//! cost, [`missed`] in how many a side was not heard, [`turned_away`] what became no call. [`ledger`] and [`operator`] are
//! the words with the consent ledger and with the people who run it.

pub mod admission;
#[expect(
    clippy::module_inception,
    reason = "the room is named after its main thing"
)]
pub mod call;
pub mod cdr;
pub mod challenge;
pub mod charging;
pub mod ending;
pub mod health;
pub mod identity;
pub mod in_dialog;
pub mod ledger;
pub mod leg;
pub mod leg_end;
pub mod line;
pub mod missed;
pub mod moment;
pub mod operator;
pub mod outbound;
pub mod placing;
pub mod plane;
pub mod probing;
pub mod reception;
pub mod record;
pub mod registration;
pub mod routing;
pub mod sip_leg;
pub mod sip_words;
pub mod switchboard;
pub mod trunk;
pub mod turned_away;
