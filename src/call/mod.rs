//! The back-to-back user agent: which calls there are, what each leg does, what crosses from one to the other, how a
//! call ends and what is written down about it. Pure, like the engines below it.

pub mod cdr;
pub mod ending;
pub mod switchboard;
