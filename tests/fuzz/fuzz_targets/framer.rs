//! A stream, cut where the first bytes say.

#![no_main]

#[allow(dead_code)]
#[path = "../../sip_properties/holds.rs"]
mod holds;

use libfuzzer_sys::fuzz_target;

const CUTS: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    if let Some((lengths, stream)) = bytes.split_first_chunk::<CUTS>() {
        holds::of_stream(&cut(lengths, stream));
    }
});

/// Chunks of these lengths, again and again.
fn cut<'a>(lengths: &[u8; CUTS], mut stream: &'a [u8]) -> Vec<&'a [u8]> {
    let mut chunks = vec![];
    for length in lengths.iter().cycle() {
        let (chunk, rest) = stream.split_at(stream.len().min(usize::from(*length) + 1));
        chunks.push(chunk);
        stream = rest;
        if stream.is_empty() {
            break;
        }
    }
    chunks
}
