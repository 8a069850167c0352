//! Endpoints that talk to each other, and to scripted peers, in a simulated world.

mod answer;
mod call;
mod cancel;
mod change;
mod digest;
mod ends;
mod forks;
mod inside;
mod loss;
mod outside;
mod preemptive;
mod reliable;
mod replaces;
mod screen;
mod session;
mod transfer;
mod whatsapp;
mod world;
