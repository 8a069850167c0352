//! May this business number call this user now; if not, why not, and when again. WhatsApp has its own answer; this one
//! comes before WhatsApp is bothered, so that an agent learns the reason and a call that must fail costs no INVITE
//! (dossier 4.2 and 5).
//!
//! A [`Pair`] is who; its [`Standing`] is what is known of it, learned from [`Fact`]s; [`Rules`] are WhatsApp's limits as
//! configuration; a [`Verdict`] is the answer. Time is passed in. Not here: the disk (`store`), how facts travel (webhooks,
//! the Graph API, calls, the operator), and which calls a business number has at this moment.
//!
//! What is kept of a pair is bounded by the rules: of what is counted, as many moments as the highest limit. It is one
//! serialisable value.

mod fact;
pub mod operator;
mod pair;
mod permission;
mod recent;
mod record;
mod refusal;
mod request;
mod rules;
mod standing;
mod verdict;

pub use fact::{Fact, Ignored};
pub use pair::Pair;
pub use permission::{Absence, Known, Permission, Source};
pub use record::Record;
pub use refusal::{REFUSALS, Refusal, RefusalRow};
pub use request::{RequestRefusal, RequestVerdict};
pub use rules::{MayCall, Quota, Rules, WhenUnknown};
pub use standing::{CallOf, Line, Standing};
pub use verdict::Verdict;

#[cfg(test)]
mod tests;
