//! Requests and responses. Header values are kept as the text that came (folding undone, nothing else), in order;
//! typed views are read from them when asked for.

use crate::sip::uri::{Params, Uri};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    Request(Request),
    Response(Response),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Info,
    Update,
    Prack,
    Refer,
    Notify,
    Subscribe,
    Message,
    Publish,
    Other(String),
}

/// Header fields in order. One entry a line that came; names compare without case, compact forms are their long names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Headers(Vec<Header>);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    pub name: Name,
    pub value: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    Route,
    RecordRoute,
    ContentType,
    ContentLength,
    /// Any other, as it is to be written.
    Other(String),
}

/// A `From`, `To`, `Contact`, `Route`, `Record-Route`, `P-Asserted-Identity`, ... value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameAddr {
    /// Unquoted and unescaped.
    pub display: Option<String>,
    pub uri: Uri,
    pub params: Params,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    pub number: u32,
    pub method: Method,
}

impl Message {
    /// One whole message, as a datagram or as the framer cut it.
    pub fn parse(_bytes: &[u8]) -> Result<Self, ParseError> {
        todo!()
    }
}

impl Headers {
    pub fn push(&mut self, _name: Name, _value: impl Into<String>) {
        todo!()
    }

    /// The first value of that name.
    pub fn get(&self, _name: &Name) -> Option<&str> {
        todo!()
    }

    /// The first value of a header by its written name, without case; `_` equals `-` (dossier 2.4).
    pub fn get_loose(&self, _name: &str) -> Option<&str> {
        todo!()
    }

    /// Every value line of that name, in order, not split at commas.
    pub fn all<'a>(&'a self, _name: &'a Name) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        todo!()
    }

    pub fn from(&self) -> Result<NameAddr, ParseError> {
        todo!()
    }

    pub fn to(&self) -> Result<NameAddr, ParseError> {
        todo!()
    }

    pub fn contact(&self) -> Result<Option<NameAddr>, ParseError> {
        todo!()
    }

    pub fn call_id(&self) -> Result<&str, ParseError> {
        todo!()
    }

    pub fn cseq(&self) -> Result<CSeq, ParseError> {
        todo!()
    }
}

/// What is wrong with a message from the network; `answerable` says whether enough was read to answer 400.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}")]
pub struct ParseError {
    pub what: &'static str,
    /// A request whose Via, From, To, Call-ID and CSeq could be read, so that a 400 can be sent.
    pub answerable: Option<Box<Request>>,
}
