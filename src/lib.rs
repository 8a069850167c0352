//! wabridge joins WhatsApp Business Calling to a telephone system a company already owns. It is a SIP back-to-back user
//! agent that ends signalling and media on both sides (RFC 7092 §3.2.3).
//!
//! This page is the map of the house.
//!
//! ```text
//!  floor 3  world     main ─► daemon ─► net · store · web · sim   tokio, sockets, TLS, HTTP, files, the clock
//!                               │
//!  floor 2  B2BUA             call ─► consent · rates · config    pure
//!                        ┌──────┴──────┐
//!  floor 1  engines     sip          media                        pure; they do not know each other
//!                                      │
//!  floor 0  values                    sdp · party · entropy · side   pure; no time either
//! ```
//!
//! Arrows point at what may be imported; never up, never sideways between engines. `tests/house.rs` reads the
//! `use crate::` lines against this picture. On floor 2 `config` also names the rooms whose settings it reads.
//!
//! Every engine has the same doors: `handle_*(now, ...)` in, `poll_*()` out. The law of the doors: **after any handle,
//! poll transmits and events until empty, then read the deadline.** The daemon and the tests run the same loop.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

/// By its name from outside, as files that `tests/` shares with the tests in here call it.
#[cfg(test)]
extern crate self as wabridge;

pub mod call;
pub mod config;
pub mod consent;
#[allow(clippy::disallowed_methods, reason = "the world")]
pub mod daemon;
pub mod entropy;
pub mod media;
#[allow(clippy::disallowed_methods, reason = "the world")]
pub mod net;
pub mod party;
pub mod rates;
pub mod sdp;
pub mod side;
#[allow(clippy::disallowed_methods, reason = "the world")]
pub mod sim;
pub mod sip;
#[allow(clippy::disallowed_methods, reason = "the world")]
pub mod store;
#[allow(clippy::disallowed_methods, reason = "the world")]
pub mod web;
