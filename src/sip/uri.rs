//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966), kept as written.

use crate::sip::flow::{Host, Transport};

/// A URI with its text. What was read is written again byte for byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Uri {
    pub scheme: Scheme,
    /// User part as written (escaped), with its RFC 4904 parameters (`+1234;tgrp=x`), without the password.
    pub user: Option<String>,
    pub host: Option<Host>,
    pub port: Option<u16>,
    pub params: Params,
    text: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    Other(String),
}

/// `;name=value` parameters in order, names compared without case (also of headers).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params(pub Vec<(String, Option<String>)>);

impl Params {
    pub fn get(&self, _name: &str) -> Option<&str> {
        todo!()
    }

    pub fn has(&self, _name: &str) -> bool {
        todo!()
    }
}

impl Uri {
    pub fn parse(_text: &str) -> Result<Self, UriError> {
        todo!()
    }

    /// `sip:user@host:port;transport=...`; `user` is escaped here. UDP writes no transport parameter.
    pub fn sip(
        _user: Option<&str>,
        _host: &Host,
        _port: Option<u16>,
        _transport: Transport,
    ) -> Self {
        todo!()
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The user part unescaped and without RFC 4904 parameters: what a number or an extension is matched by. For `tel:` the number.
    pub fn user_name(&self) -> Option<String> {
        todo!()
    }

    pub fn transport(&self) -> Option<Transport> {
        todo!()
    }
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a URI")]
pub struct UriError;
