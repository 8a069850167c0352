//! A call as a sequence of inputs: what peers, media and the operator do, in any order.

#![no_main]
#![allow(dead_code, unused_imports, unused_macros)]

#[path = "../../world/stories/any_sequence.rs"]
mod any_sequence;
#[path = "../../world/scene/mod.rs"]
mod scene;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| any_sequence::holds_of_bytes(bytes));
