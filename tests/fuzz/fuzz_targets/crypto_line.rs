//! The value of an `a=crypto` line: what is usable is written and read again as the same.

#![no_main]

use wabridge::sdp::CryptoLine;

libfuzzer_sys::fuzz_target!(|value: &str| {
    if let Ok(line) = CryptoLine::parse(value) {
        let length = line.suite.key_length() + line.suite.salt_length();
        assert_eq!(line.key.0.len(), length);
        assert_eq!(CryptoLine::parse(&line.to_value()), Ok(line));
    }
});
