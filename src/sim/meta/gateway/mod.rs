//! WhatsApp as the callee: the gateway that takes business-initiated calls, the account behind it, and the user who is rung.
//!
//! ```text
//!   Gateway ─► call ─► admission ─► ringing ─► talking
//!                          │
//!           account · refusal · nonces · answer        what is known, what is said
//! ```
//!
//! The account is data: which numbers exist, what each of them may, and what the user behind each number called does. So one
//! gateway plays many outcomes at the same time, chosen by the number that is dialled. Each call ends in a [`Report`]: its
//! outcome (the status that was sent), the headers of its INVITE, the verdict, the score of the sound, and what was heard of the
//! business's stream (`heard.ssrcs`, `heard.longest_gap`, `heard.audio` for [`wav::save`]).
//!
//! ```
//! use std::time::Duration;
//! use wabridge::entropy::Entropy;
//! use wabridge::sim::meta::Gateway;
//! use wabridge::sim::meta::gateway::{Account, Business, Refusal, User};
//! use wabridge::sim::report::Outcome;
//! use wabridge::sim::tls::Authority;
//!
//! # async fn example(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let authority = Authority::new("a test")?;
//! authority.save(&folder.join("authority.pem"))?; // the trust_file of the bridge
//! let account = Account::of("+17015550100", Business::new("sip.example.com", "what WhatsApp generated"))
//!     .with("+12195550001", User { talk: Some(Duration::from_secs(5)), ..User::default() })
//!     .with("+12195550002", User::refusing(486))
//!     .with("+12195550003", User::never())
//!     .with("+12195550004", User::refused(Refusal::Permission));
//! let media = "127.0.0.1".parse()?;
//! let (gateway, mut reports) = Gateway::start(media, account, false, Entropy::from_seed([7; 32]));
//! let acceptor = authority.acceptor(&["wa.meta.vc"])?;
//! let address = gateway.listen("127.0.0.1:0".parse()?, acceptor).await?;
//! // Here the bridge calls +12195550002 at `address`.
//! let (called, report) = reports.recv().await.ok_or("the gateway is gone")?;
//! assert!(matches!(report.outcome, Outcome::Refused { status: 486, .. }));
//! assert!(report.verdict.held(), "{called} at {address}: {}", report.verdict);
//! # Ok(())
//! # }
//! ```
//!
//! [`Report`]: crate::sim::report::Report
//! [`wav::save`]: crate::sim::wav::save

pub mod account;
mod admission;
mod answer;
mod call;
mod checks;
mod nonces;
pub mod refusal;
mod responses;
mod ringing;
mod service;
mod talking;

pub use account::{Account, Answer, Business, Challenges, Permission, User};
pub use refusal::Refusal;
pub use service::Gateway;
