//! What a message from the network does wrong.

use crate::sip::message::Request;

/// What is wrong with a message from the network; `answerable` says whether enough was read to answer it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}")]
pub struct ParseError {
    pub what: &'static str,
    /// What the answer says: 400, or 505, or 513.
    pub status: u16,
    /// A request with Via, From, To, Call-ID and CSeq, readable or not: with these copied as they came it can be answered.
    pub answerable: Option<Box<Request>>,
}

impl ParseError {
    pub(crate) fn new(what: &'static str) -> Self {
        Self::with_status(400, what)
    }

    pub(crate) fn with_status(status: u16, what: &'static str) -> Self {
        Self {
            what,
            status,
            answerable: None,
        }
    }
}

/// The first thing wrong with a message.
#[derive(Default)]
pub(crate) struct Fault(pub(crate) Option<ParseError>);

impl Fault {
    pub(crate) fn check<T>(&mut self, result: Result<T, ParseError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.get_or_insert(error);
                None
            }
        }
    }

    pub(crate) fn or<T>(self, value: T) -> Result<T, ParseError> {
        match self.0 {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }
}
