//! WhatsApp's gateway, called by a business of bare messages: each response as the dossier prints it, each rule of its media.

mod agent;
mod answered;
mod business;
mod challenges;
mod checks;
mod endings;
mod stage;
mod webrtc;
