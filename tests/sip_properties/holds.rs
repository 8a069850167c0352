//! What holds of any bytes. The property tests and the fuzz targets both come here.

use wabridge::sip::framing::{Frame, Framer, FramingError};
use wabridge::sip::message::{Headers, Message, Method, NameAddr, Request, Response, Via};
use wabridge::sip::refer::Refer;
use wabridge::sip::replaces::Replaces;
use wabridge::sip::uri::Uri;

/// What is accepted is written and read as the same message; what is refused and answerable can be answered.
pub fn of_message(bytes: &[u8]) {
    match Message::parse(bytes) {
        Ok(message) => {
            read_all(message.headers());
            if let Message::Request(request) = &message {
                of_referral(request);
            }
            assert_eq!(Message::parse(&message.write()), Ok(message));
        }
        Err(error) => {
            if let Some(request) = error.answerable {
                read_all(&request.headers);
                Response::reply_to(&request, error.status, None).write();
            }
        }
    }
}

/// Whom a REFER names can be called, and what it would replace is written and read as the same.
fn of_referral(request: &Request) {
    if let Ok(refer) = Refer::read(request) {
        assert_eq!(refer.target.headers, None);
        let replaces = refer.replaces.map(|replaces| replaces.to_string());
        let again = replaces.as_deref().map(Replaces::parse);
        let written = again.map(|again| again.map(|again| again.to_string()));
        assert_eq!(written, replaces.map(Some));
    }
}

/// Frames and errors do not depend on the chunks that a stream comes in.
pub fn of_stream(chunks: &[&[u8]]) {
    assert_eq!(frames(chunks), frames(&[&chunks.concat()]));
}

/// What is accepted as URI is kept as it is; what is accepted as address or Via is written and read as the same.
pub fn of_address(text: &str) {
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.as_str(), text);
        let _ = (
            uri.user_name(),
            uri.transport(),
            uri.user_param("tgrp"),
            format!("{uri:?}"),
        );
    }
    if let Some(address) = NameAddr::parse(text) {
        assert_eq!(NameAddr::parse(&address.to_value()), Some(address));
    }
    if let Some(via) = Via::parse(text) {
        let _ = (via.branch(), via.received(), via.rport());
        assert_eq!(Via::parse(&via.to_string()), Some(via));
    }
}

/// All frames of a stream, and the error that ended it, if one did.
pub fn frames(chunks: &[&[u8]]) -> (Vec<Frame>, Option<FramingError>) {
    let mut framer = Framer::new();
    let mut frames = vec![];
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.poll() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Reads everything there is to read in a message.
fn read_all(headers: &Headers) {
    let _ = (
        headers.from(),
        headers.to(),
        headers.contacts(),
        headers.call_id(),
        headers.cseq(),
    );
    let _ = (
        headers.vias(),
        headers.routes(),
        headers.record_routes(),
        headers.max_forwards(),
    );
    let _ = (
        headers.media_type(),
        headers.expires(),
        headers.session_expires(),
        headers.min_se(),
    );
    let _ = (
        headers.retry_after(),
        headers.rseq(),
        headers.rack(),
        headers.q850_cause(),
    );
    let _ = (
        headers.replaces(),
        headers.refer_sub(),
        headers.supports("timer"),
        headers.allows(&Method::Info),
        format!("{headers:?}"),
    );
}
