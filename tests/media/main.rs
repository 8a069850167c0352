//! The bridge in virtual time, between scripted peers.

mod ends;
mod sound;
mod world;

mod anything;
mod catching_up;
mod digits;
mod dtx;
mod extended;
mod feeding;
mod listening;
mod one_way;
mod passing;
mod redundancy;
mod reports;
mod talk_off;
mod tones;
mod webrtc;
mod wide;
