//! Calls through the real binary to a real Asterisk 22 that runs `asterisk-config/` as it stands. `make test` runs this
//! inside `tests/lab/run.sh`, which starts Asterisk in a network of its own; elsewhere there is nothing to call.

mod audio;
mod bridge;
mod call;
mod endings;
mod outbound;
mod pbx;
mod sound;
mod trunk;
