//! How much of a message is read. Far above what peers send, far below what hurts.

/// Bytes of a whole message.
pub const MESSAGE: usize = 65_535;

/// Bytes of the start line and all headers.
pub const HEAD: usize = 32_768;

/// Header lines.
pub const HEADERS: usize = 200;

/// Bytes of one header line, unfolded.
pub const HEADER: usize = 8_192;
