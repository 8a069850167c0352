//! CDRs on disk: JSON lines for people and log shippers, an embedded database for questions.
