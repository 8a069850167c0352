//! The network on real loopback sockets: UDP, TCP and TLS, with peers that behave, peers that do not, and certificates
//! that change. Every port is the system's choice.

mod connections;
mod datagrams;
mod hops;
mod misbehaviour;
mod support;
mod tls;
