//! One datagram.

#![no_main]

#[allow(dead_code)]
#[path = "../../sip_properties/holds.rs"]
mod holds;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holds::of_message(bytes));
