//! What the SIP endpoint makes of a message that comes out of nowhere.

use std::collections::BTreeMap;
use std::time::Instant;

use wabridge::entropy::Entropy;
use wabridge::sip::endpoint::{Endpoint, EndpointConfig, Event, Timers};
use wabridge::sip::flow::{FlowId, Host, ListenerId, Source, Transport};
use wabridge::sip::message::Message;

/// The status it answers by itself, else the event it reports, else `nothing`.
pub fn outcome(octets: &[u8]) -> String {
    let mut endpoint = Endpoint::new(config(), Entropy::from_seed([0; 32]));
    endpoint.handle_received(Instant::now(), source(), octets);
    match (answer(&mut endpoint), endpoint.poll_event()) {
        (Some(status), None) => status.to_string(),
        (None, Some(Event::Invited { .. })) => "Invited".into(),
        (None, Some(Event::Requested { .. })) => "Requested".into(),
        (None, None) => "nothing".into(),
        other => panic!("{other:?}"),
    }
}

/// The first response that is not 100.
fn answer(endpoint: &mut Endpoint) -> Option<u16> {
    while let Some(transmit) = endpoint.poll_transmit() {
        match Message::parse(&transmit.bytes) {
            Ok(Message::Response(response)) if response.status > 100 => {
                return Some(response.status);
            }
            Ok(Message::Response(_)) => {}
            Ok(Message::Request(request)) => panic!("{request:?}"),
            Err(_) => return status_of(&transmit.bytes),
        }
    }
    None
}

/// An answer that copies what cannot be read cannot be read itself.
fn status_of(response: &[u8]) -> Option<u16> {
    let line = response.strip_prefix(b"SIP/2.0 ")?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

fn config() -> EndpointConfig {
    EndpointConfig {
        timers: Timers::default(),
        user_agent: "torture".into(),
        sent_by: BTreeMap::from([(ListenerId(0), (Host::Name("pbx.example.com".into()), 5060))]),
        terse: Default::default(),
        max_transactions: 10,
    }
}

fn source() -> Source {
    Source {
        flow: FlowId(1),
        listener: ListenerId(0),
        transport: Transport::Udp,
        local: "192.0.2.200:5060".parse().expect("an address"),
        remote: "192.0.2.201:5060".parse().expect("an address"),
    }
}
