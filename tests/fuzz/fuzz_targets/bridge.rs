//! A media bridge in a call: datagrams of both sides and commands, in any order.

#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../media/anything.rs"]
mod anything;
#[path = "../../media/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| anything::holds_of_bytes(bytes));
