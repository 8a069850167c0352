//! WebRTC with peers that are nobody's of this project: Chromium, aiortc, Asterisk with `webrtc=yes`, baresip. `make test`
//! runs this inside `tests/lab/webrtc.sh`, which makes the networks; elsewhere there is nobody to talk to.

#[path = "../webrtc_calls/bridge.rs"]
mod bridge;
mod go_between;
mod pbx;
mod simulator;
mod telephones;
mod web;
mod whatsapp;
