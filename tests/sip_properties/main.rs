//! Properties of SIP reading and writing: what was written is read as the same, frames do not depend on chunks, and no
//! bytes whatever make it panic.

mod holds;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use wabridge::sip::flow::{Host, Transport};
use wabridge::sip::framing::Frame;
use wabridge::sip::message::{
    CSeq, Headers, Message, Method, Name, NameAddr, Request, Response, Via,
};
use wabridge::sip::uri::{Params, Uri};

const INVITE: &str = include_str!("invite.txt");

fn invite() -> Vec<u8> {
    INVITE.replace('\n', "\r\n").into_bytes()
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

/// Anything a header value can hold.
fn line() -> impl Strategy<Value = String> {
    "[^\r\n]{0,30}".prop_map(|text| text.trim_matches([' ', '\t']).to_owned())
}

fn quoted() -> impl Strategy<Value = String> {
    line().prop_map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn params() -> impl Strategy<Value = Params> {
    let value = option::of(prop_oneof![token(), quoted()]);
    vec((token(), value), 0..4).prop_map(Params)
}

fn uri_params() -> impl Strategy<Value = Params> {
    vec((token(), option::of("[a-zA-Z0-9./:&$%+-]{0,8}")), 0..4).prop_map(Params)
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z0-9]([a-z0-9_.-]{0,12}[a-z])".prop_map(Host::Name),
        any::<u32>().prop_map(|bits| Host::Address(IpAddr::V4(Ipv4Addr::from(bits)))),
        any::<u128>().prop_map(|bits| Host::Address(IpAddr::V6(Ipv6Addr::from(bits)))),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let transport = select(vec![Transport::Udp, Transport::Tcp, Transport::Tls]);
    (
        option::of(".{1,20}"),
        host(),
        option::of(any::<u16>()),
        transport,
    )
        .prop_map(|(user, host, port, transport)| Uri::sip(user.as_deref(), &host, port, transport))
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    let display = option::of("[^\r\n]{1,20}");
    (display, uri(), params()).prop_map(|(display, uri, params)| NameAddr {
        display,
        uri,
        params,
    })
}

fn via() -> impl Strategy<Value = Via> {
    (token(), host(), option::of(any::<u16>()), params()).prop_map(
        |(transport, host, port, params)| Via {
            transport,
            host,
            port,
            params,
        },
    )
}

fn method() -> impl Strategy<Value = Method> {
    token().prop_map(|token| Method::parse(&token).expect("a token"))
}

fn headers(method: Method) -> impl Strategy<Value = Headers> {
    let extra = vec(("X-[a-zA-Z_-]{1,8}", line()), 0..6);
    let numbers = (0..1u32 << 31, "[!-~]{1,20}");
    (vec(via(), 1..4), name_addr(), name_addr(), numbers, extra).prop_map(
        move |(vias, from, to, (number, call_id), extra)| {
            let mut headers = Headers::new();
            for via in vias {
                headers.push(Name::Via, via.to_string());
            }
            headers.push(Name::From, from.to_value());
            headers.push(Name::To, to.to_value());
            headers.push(Name::CallId, call_id);
            let method = method.clone();
            headers.push(Name::CSeq, CSeq { number, method }.to_string());
            for (name, value) in extra {
                headers.push(Name::from(name.as_str()), value);
            }
            headers
        },
    )
}

fn request() -> impl Strategy<Value = Message> {
    let whole = method().prop_flat_map(|method| (Just(method.clone()), headers(method)));
    (whole, uri(), vec(any::<u8>(), 0..40)).prop_map(|((method, headers), uri, body)| {
        Message::Request(Request {
            method,
            uri,
            headers,
            body,
        })
    })
}

fn response() -> impl Strategy<Value = Message> {
    let headers = method().prop_flat_map(headers);
    (100..700u16, line(), headers, vec(any::<u8>(), 0..40)).prop_map(
        |(status, reason, headers, body)| {
            Message::Response(Response {
                status,
                reason,
                headers,
                body,
            })
        },
    )
}

/// A change to a message at some place.
#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index),
    Repeat(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let piece = prop_oneof![
        vec(any::<u8>(), 1..4),
        select(vec![
            "\r\n", "\r\n ", "\r\n\r\n", "\"", "<", ">", ";", ",", ":", "\\", "%", "@", "=", " "
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), piece).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        any::<Index>().prop_map(Edit::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Repeat(from, to)),
    ]
}

fn apply(mut bytes: Vec<u8>, edit: &Edit) -> Vec<u8> {
    let at = |index: &Index| index.index(bytes.len());
    match edit {
        _ if bytes.is_empty() => {}
        Edit::Replace(index, byte) => {
            let at = at(index);
            bytes[at] = *byte;
        }
        Edit::Insert(index, piece) => {
            let at = at(index);
            bytes.splice(at..at, piece.iter().copied());
        }
        Edit::Remove(index) => {
            bytes.remove(at(index));
        }
        Edit::Repeat(from, to) => {
            let (from, to) = (at(from).min(at(to)), at(from).max(at(to)));
            bytes.extend_from_within(from..to);
        }
    }
    bytes
}

fn cut<'a>(stream: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places
        .iter()
        .map(|place| place.index(stream.len() + 1))
        .collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &stream[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #[test]
    fn uris(uri in uri()) {
        prop_assert_eq!(Uri::parse(uri.as_str()), Ok(uri));
    }

    #[test]
    fn users_of_uris(user in ".{1,20}", host in host()) {
        let uri = Uri::sip(Some(&user), &host, None, Transport::Udp);
        prop_assert_eq!(uri.user_name(), Some(user));
    }

    #[test]
    fn uri_parameters(uri in uri(), params in uri_params()) {
        let text = format!("{}{params}", uri.as_str());
        let parsed = Uri::parse(&text).unwrap();
        prop_assert!(parsed.params.0.ends_with(&params.0));
        prop_assert_eq!(parsed.as_str(), text);
    }

    #[test]
    fn name_addrs(address in name_addr()) {
        prop_assert_eq!(NameAddr::parse(&address.to_value()), Some(address));
    }

    #[test]
    fn name_addrs_in_lists(addresses in vec(name_addr(), 1..5)) {
        let mut headers = Headers::new();
        let values: Vec<String> = addresses.iter().map(NameAddr::to_value).collect();
        headers.push(Name::Contact, values.join(" , "));
        prop_assert_eq!(headers.contacts(), Ok(addresses));
    }

    #[test]
    fn vias(vias in vec(via(), 1..5)) {
        let mut headers = Headers::new();
        let values: Vec<String> = vias.iter().map(Via::to_string).collect();
        headers.push(Name::Via, values.join(","));
        prop_assert_eq!(headers.vias(), Ok(vias));
    }

    #[test]
    fn messages(message in prop_oneof![request(), response()]) {
        prop_assert_eq!(Message::parse(&message.write()), Ok(message));
    }

    #[test]
    fn frames_do_not_depend_on_chunks(
        messages in vec(prop_oneof![request(), response()], 0..4),
        pauses in vec(0..4usize, 4),
        places in vec(any::<Index>(), 0..20),
    ) {
        let mut stream = vec![];
        for (message, pause) in messages.iter().zip(&pauses) {
            stream.extend("\r\n".repeat(*pause).bytes());
            stream.extend(message.write());
        }
        let (frames, error) = holds::frames(&cut(&stream, &places));
        prop_assert_eq!(error, None);
        let read: Vec<Message> = frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Message(bytes) => Some(Message::parse(bytes).unwrap()),
                Frame::Ping | Frame::Pong => None,
            })
            .collect();
        let pings = frames.iter().filter(|frame| **frame == Frame::Ping).count();
        let pairs: usize = pauses.iter().take(messages.len()).map(|pause| pause / 2).sum();
        prop_assert_eq!(pings, pairs);
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn broken_streams_break_alike(
        edits in vec(edit(), 1..6),
        places in vec(any::<Index>(), 0..20),
    ) {
        let twice = [invite(), invite()].concat();
        let stream = edits.iter().fold(twice, apply);
        holds::of_stream(&cut(&stream, &places));
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        holds::of_message(&bytes);
        holds::of_stream(&[&bytes]);
    }

    #[test]
    fn any_edits_of_an_invite(edits in vec(edit(), 1..8)) {
        holds::of_message(&edits.iter().fold(invite(), apply));
    }

    #[test]
    fn any_text_as_uri_and_address(text in ".{0,60}") {
        holds::of_address(&text);
    }
}
