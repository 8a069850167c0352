//! The bridge in a simulated world: every story is a call from the first INVITE to the CDR, in virtual time.

mod scene;
mod stories;
