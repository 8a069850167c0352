//! Calls by WebRTC through the real binary, with the simulated WhatsApp in both directions: each way of WhatsApp's that the
//! bridge must live with, each of which it must end in words.

mod bridge;
mod cases;
mod stage;
