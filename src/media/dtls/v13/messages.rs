//! Handshake messages of 1.3 (RFC 8446 §4), besides the ClientHello, which offers both versions.

use crate::media::dtls::certificate::SCHEMES;
use crate::media::dtls::messages::DTLS_1_2;
use crate::media::dtls::messages::DTLS_1_3;
use crate::media::dtls::messages::hello::{
    NO_COMPRESSION, chosen_profile, extension, for_each_extension, list, put_extension, put_list,
    use_srtp,
};
use crate::media::dtls::wire::{
    Malformed, Numbers, Reader, put_u16, put_vector8, put_vector16, put_vector24,
};

/// The random of a ServerHello that wants another ClientHello: SHA-256 of "HelloRetryRequest" (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A ServerHello or a HelloRetryRequest: they are written alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    pub suite: u16,
    pub answer: Answer,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Hello {
        random: [u8; 32],
        group: u16,
        public: Vec<u8>,
    },
    /// What it wants in the next ClientHello.
    Retry { group: Option<u16>, cookie: Vec<u8> },
}

impl Hello {
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        let random = reader.array()?;
        // Of 1.2's sessions; ours has none (RFC 9147 §5).
        let session = reader.vector8()?;
        let suite = reader.u16()?;
        if version != DTLS_1_2 || !session.is_empty() || reader.u8()? != NO_COMPRESSION {
            return Err(Malformed);
        }
        let mut found = Extensions::default();
        for_each_extension(reader, |kind, body| found.read(kind, body))?;
        if found.version != Some(DTLS_1_3) {
            return Err(Malformed);
        }
        let answer = match random == RETRY {
            true => found.retry()?,
            false => found.hello(random)?,
        };
        Ok(Self { suite, answer })
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        let mut extensions = Vec::with_capacity(100);
        let version = DTLS_1_3.to_be_bytes();
        put_extension(&mut extensions, extension::SUPPORTED_VERSIONS, &version);
        let random = match &self.answer {
            Answer::Hello {
                random,
                group,
                public,
            } => {
                let mut share = Vec::with_capacity(public.len() + 4);
                put_u16(&mut share, *group);
                put_vector16(&mut share, public);
                put_extension(&mut extensions, extension::KEY_SHARE, &share);
                random
            }
            Answer::Retry { group, cookie } => {
                if let Some(group) = group {
                    put_extension(&mut extensions, extension::KEY_SHARE, &group.to_be_bytes());
                }
                if !cookie.is_empty() {
                    put_list(&mut extensions, extension::COOKIE, cookie);
                }
                &RETRY
            }
        };
        put_u16(&mut out, DTLS_1_2);
        out.extend_from_slice(random);
        put_vector8(&mut out, &[]);
        put_u16(&mut out, self.suite);
        out.push(NO_COMPRESSION);
        put_vector16(&mut out, &extensions);
        out
    }
}

/// Of a hello, before it is known which kind it is.
#[derive(Default)]
struct Extensions<'a> {
    version: Option<u16>,
    share: Option<&'a [u8]>,
    cookie: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    /// Others would answer what we did not say (RFC 8446 §4.2).
    fn read(&mut self, kind: u16, body: &'a [u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(body);
        match kind {
            extension::SUPPORTED_VERSIONS => self.version = Some(reader.u16()?),
            extension::COOKIE => self.cookie = Some(reader.vector16()?),
            extension::KEY_SHARE => self.share = Some(reader.bytes(body.len())?),
            _ => return Err(Malformed),
        }
        reader.finish()
    }

    fn hello(self, random: [u8; 32]) -> Result<Answer, Malformed> {
        let mut share = Reader::new(self.share.ok_or(Malformed)?);
        let (group, public) = (share.u16()?, share.vector16()?.to_vec());
        share.finish()?;
        match self.cookie {
            Some(_) => Err(Malformed),
            None => Ok(Answer::Hello {
                random,
                group,
                public,
            }),
        }
    }

    fn retry(self) -> Result<Answer, Malformed> {
        let mut group = None;
        if let Some(share) = self.share {
            let mut reader = Reader::new(share);
            group = Some(reader.u16()?);
            reader.finish()?;
        }
        let cookie = self.cookie.unwrap_or_default().to_vec();
        // It would be answered by the same hello again (RFC 8446 §4.1.4).
        match (group, &cookie[..]) {
            (None, []) => Err(Malformed),
            (_, _) => Ok(Answer::Retry { group, cookie }),
        }
    }
}

/// EncryptedExtensions: SRTP's profile, if one was chosen.
pub fn read_extensions(body: &[u8]) -> Result<Option<u16>, Malformed> {
    if body.is_empty() {
        return Err(Malformed);
    }
    let mut profile = None;
    for_each_extension(Reader::new(body), |kind, body| {
        match kind {
            extension::USE_SRTP => profile = Some(chosen_profile(body)?),
            // What the server would like better next time.
            extension::SUPPORTED_GROUPS => {}
            _ => return Err(Malformed),
        }
        Ok(())
    })?;
    Ok(profile)
}

pub fn write_extensions(profile: u16) -> Vec<u8> {
    let mut extensions = Vec::with_capacity(12);
    put_extension(&mut extensions, extension::USE_SRTP, &use_srtp([profile]));
    let mut out = Vec::with_capacity(14);
    put_vector16(&mut out, &extensions);
    out
}

/// RFC 8446 §4.3.2.
pub struct CertificateRequest<'a> {
    schemes: Numbers<'a>,
}

impl<'a> CertificateRequest<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let context = reader.vector8()?;
        let mut schemes = None;
        for_each_extension(reader, |kind, body| {
            if kind == extension::SIGNATURE_ALGORITHMS {
                schemes = Some(Numbers::of_body(body)?);
            }
            Ok(())
        })?;
        match (context, schemes) {
            // A context is for requests after the handshake.
            ([], Some(schemes)) => Ok(Self { schemes }),
            (_, _) => Err(Malformed),
        }
    }

    pub fn takes(&self, scheme: u16) -> bool {
        self.schemes.contains(scheme)
    }

    pub fn write() -> Vec<u8> {
        let mut out = vec![0];
        let mut extensions = Vec::with_capacity(24);
        let schemes = list(SCHEMES);
        put_list(&mut extensions, extension::SIGNATURE_ALGORITHMS, &schemes);
        put_vector16(&mut out, &extensions);
        out
    }
}

/// One certificate, ours, without a context and without extensions (RFC 8446 §4.4.2).
pub fn write_certificate(certificate: &[u8]) -> Vec<u8> {
    let mut list = Vec::with_capacity(certificate.len() + 5);
    put_vector24(&mut list, certificate);
    put_vector16(&mut list, &[]);
    let mut out = Vec::with_capacity(list.len() + 4);
    put_vector8(&mut out, &[]);
    put_vector24(&mut out, &list);
    out
}

/// The first of the list, if there is one: the peer's own.
pub fn leaf_certificate(body: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut reader = Reader::new(body);
    let context = reader.vector8()?;
    let mut list = Reader::new(reader.vector24()?);
    reader.finish()?;
    if !context.is_empty() {
        return Err(Malformed);
    }
    if list.is_empty() {
        return Ok(None);
    }
    let leaf = read_entry(&mut list)?;
    while !list.is_empty() {
        read_entry(&mut list)?;
    }
    Ok(Some(leaf))
}

/// A certificate, and extensions that mean nothing here.
fn read_entry<'a>(list: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let certificate = list.vector24()?;
    let _extensions = list.vector16()?;
    Ok(certificate)
}

/// Whether the peer wants the same of us (RFC 8446 §4.6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyUpdate {
    NotRequested,
    Requested,
}

impl KeyUpdate {
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        match body {
            [0] => Ok(Self::NotRequested),
            [1] => Ok(Self::Requested),
            _ => Err(Malformed),
        }
    }

    pub fn write(self) -> Vec<u8> {
        vec![match self {
            Self::NotRequested => 0,
            Self::Requested => 1,
        }]
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;

    use super::*;

    fn hello() -> Hello {
        Hello {
            suite: 0x1301,
            answer: Answer::Hello {
                random: [9; 32],
                group: 29,
                public: vec![5; 32],
            },
        }
    }

    fn retry(group: Option<u16>, cookie: &[u8]) -> Hello {
        Hello {
            suite: 0x1301,
            answer: Answer::Retry {
                group,
                cookie: cookie.to_vec(),
            },
        }
    }

    #[test]
    fn a_retry_is_known_by_its_random() {
        let hash = digest::digest(&digest::SHA256, b"HelloRetryRequest");
        assert_eq!(hash.as_ref(), RETRY);
    }

    #[test]
    fn hellos_are_read_back() {
        for hello in [
            hello(),
            retry(Some(23), &[]),
            retry(None, b"cookie"),
            retry(Some(24), b"cookie"),
        ] {
            let body = hello.write();
            assert_eq!(Hello::parse(&body), Ok(hello));
            for len in 0..body.len() {
                assert_eq!(Hello::parse(&body[..len]), Err(Malformed), "{len}");
            }
        }
    }

    #[test]
    fn a_retry_that_wants_nothing_is_refused() {
        assert_eq!(Hello::parse(&retry(None, &[]).write()), Err(Malformed));
    }

    #[test]
    fn a_session_of_1_2_is_not_echoed() {
        let mut body = hello().write();
        assert_eq!(body[34], 0);
        body[34] = 1;
        body.insert(35, 7);
        assert_eq!(Hello::parse(&body), Err(Malformed));
    }

    #[test]
    fn answers_to_what_was_not_said_are_refused() {
        // Extended master secret, which every hello of 1.3 has for itself.
        let mut body = hello().write();
        body.extend([0, 23, 0, 0]);
        let length = 2 + 32 + 1 + 2 + 1;
        body[length + 1] += 4;
        assert_eq!(Hello::parse(&body), Err(Malformed));
        assert_eq!(read_extensions(&[0, 4, 0, 23, 0, 0]), Err(Malformed));
        assert_eq!(read_extensions(&write_extensions(7)), Ok(Some(7)));
        assert_eq!(read_extensions(&[0, 0]), Ok(None));
        assert_eq!(read_extensions(&[]), Err(Malformed));
    }

    #[test]
    fn certificates_and_requests_are_read_back() {
        let body = CertificateRequest::write();
        let request = CertificateRequest::parse(&body).unwrap();
        assert!(SCHEMES.iter().all(|scheme| request.takes(*scheme)));
        assert!(!request.takes(0x0201), "SHA-1");
        let extension = |schemes: &[u8]| {
            let mut body = vec![0, 0, schemes.len() as u8 + 4, 0, 13];
            put_vector16(&mut body, schemes);
            CertificateRequest::parse(&body).is_ok()
        };
        assert!(extension(&[0, 2, 4, 3]) && !extension(&[0, 2, 4, 3, 9]));
        let body = write_certificate(b"certificate");
        assert_eq!(leaf_certificate(&body), Ok(Some(&b"certificate"[..])));
        assert_eq!(leaf_certificate(&[0, 0, 0, 0]), Ok(None));
        let list = |issuer: &[u8]| {
            let list = [&[0, 0, 1, 7, 0, 0], issuer].concat();
            let mut body = vec![0];
            put_vector24(&mut body, &list);
            leaf_certificate(&body).map(|leaf| leaf.map(<[u8]>::to_vec))
        };
        assert_eq!(list(&[0, 0, 1, 8, 0, 0]), Ok(Some(vec![7])));
        assert_eq!(list(&[0, 0, 2, 8, 0, 0]), Err(Malformed));
        assert_eq!(
            leaf_certificate(&[1, 7, 0, 0, 0]),
            Err(Malformed),
            "context"
        );
        for update in [KeyUpdate::Requested, KeyUpdate::NotRequested] {
            assert_eq!(KeyUpdate::parse(&update.write()), Ok(update));
        }
        assert_eq!(KeyUpdate::parse(&[2]), Err(Malformed));
    }
}
