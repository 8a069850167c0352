//! The simulated world: a clock that the tests turn, links that delay, lose and reorder, scripted peers that speak SIP
//! as text, and a media plane that writes down what it is told.

pub mod config;
pub mod ledger;
pub mod media;
pub mod pbx;
pub mod sdp;
pub mod sound;
pub mod webrtc;
pub mod whatsapp;
pub mod wire;
pub mod world;
