//! The PBX: answers everything over UDP, in the one codec that it has.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::sync::mpsc::Receiver;
use wabridge::sdp::PayloadType;
use wabridge::side::Side;
use wabridge::sim::media::Codec;
use wabridge::sim::sdp::Described;
use wabridge::sim::sip::Incoming;
use wabridge::sim::sip::dialog::respond;
use wabridge::sim::sip::hub::Hub;
use wabridge::sim::sip::message::{Message, user_part};
use wabridge::sim::sip::wire::listen_udp;

use crate::Failure;
use crate::callers;
use crate::engine::Door;
use crate::speech::Speech;
use crate::stream::{Came, Recording, Sent, Stream};

pub async fn listen(
    bind: SocketAddr,
    heard: usize,
    speech: Speech,
    door: Door,
) -> Result<(), Failure> {
    let (hub, messages) = Hub::new();
    listen_udp(bind, hub).await?;
    let pbx = Pbx {
        bind,
        heard,
        door,
        speech,
        calls: HashMap::new(),
    };
    tokio::spawn(pbx.serve(messages));
    Ok(())
}

struct Pbx {
    bind: SocketAddr,
    /// So many calls are recorded.
    heard: usize,
    door: Door,
    speech: Speech,
    calls: HashMap<String, Call>,
}

struct Call {
    ok: Message,
    /// Until the ACK.
    waiting: Option<Stream>,
}

impl Pbx {
    async fn serve(mut self, mut messages: Receiver<Incoming>) {
        while let Some(Incoming { message, wire }) = messages.recv().await {
            match message.method() {
                "INVITE" => match self.answer(&message) {
                    Ok(response) => wire.send(&response).await,
                    Err(error) => {
                        eprintln!("calls: the PBX refuses: {error}");
                        wire.send(&respond(&message, 488, "Not Acceptable Here", "pbx"))
                            .await;
                    }
                },
                "ACK" => self.begin(&message),
                "" => {}
                _ => wire.send(&respond(&message, 200, "OK", "pbx")).await,
            }
        }
    }

    /// 200, the same again for a repeated INVITE.
    fn answer(&mut self, invite: &Message) -> Result<Message, Failure> {
        if let Some(call) = self.calls.get(invite.call_id()) {
            return Ok(call.ok.clone());
        }
        let stream = self.stream(invite)?;
        let local = stream.socket.local_addr()?;
        let ok = respond(invite, 200, "OK", "pbx")
            .with("Contact", format!("<sip:pbx@{}>", self.bind))
            .with_body(
                "application/sdp",
                description(local, stream.payload_type, stream.speech.codec),
            );
        let call = Call {
            ok: ok.clone(),
            waiting: Some(stream),
        };
        self.calls.insert(invite.call_id().into(), call);
        Ok(ok)
    }

    fn begin(&mut self, ack: &Message) {
        let call = self.calls.get_mut(ack.call_id());
        if let Some(stream) = call.and_then(|call| call.waiting.take()) {
            self.door.add(stream);
        }
    }

    fn stream(&self, invite: &Message) -> Result<Stream, Failure> {
        let offer = Described::read(&invite.body_text())?;
        let payload_type = offer
            .codecs()
            .iter()
            .find(|(_, codec)| *codec == self.speech.codec)
            .map(|(number, _)| PayloadType(*number))
            .ok_or("our codec is not offered")?;
        let from = invite.uri_of("From").unwrap_or_default();
        let call = callers::call_of(user_part(from)).ok_or("a caller that we are not")?;
        let socket = callers::media_socket(offer.rtp().ok_or("no media address")?)?;
        Ok(Stream {
            call,
            side: Side::B,
            socket,
            speech: self.speech.clone(),
            protection: None,
            link: None,
            payload_type,
            pauses: false,
            sent: Sent::default(),
            came: Came::default(),
            recording: (call < self.heard).then(Recording::default),
        })
    }
}

pub fn description(local: SocketAddr, payload_type: PayloadType, codec: Codec) -> String {
    let (ip, port) = (local.ip(), local.port());
    let (number, rtpmap) = (payload_type.0, codec.rtpmap());
    format!(
        "v=0\r\no=pbx 1 1 IN IP4 {ip}\r\ns=pbx\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {number}\r\n\
         a=rtpmap:{number} {rtpmap}\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}
