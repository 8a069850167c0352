//! A URI, a name-addr or a Via.

#![no_main]

#[allow(dead_code)]
#[path = "../../sip_properties/holds.rs"]
mod holds;

libfuzzer_sys::fuzz_target!(|text: &str| holds::of_address(text));
