//! Hellos and their extensions.

use super::{DTLS_1_2, DTLS_1_3};
use crate::media::dtls::certificate::SCHEMES;
use crate::media::dtls::exchange::Exchange;
use crate::media::dtls::suite::{CipherSuite, Group};
use crate::media::dtls::v13;
use crate::media::dtls::wire::{Malformed, Numbers, Reader, put_u16, put_vector8, put_vector16};
use crate::sdp::DtlsVersion;

/// Extensions that mean something here.
pub mod extension {
    /// RFC 8422 §5.1.1.
    pub const SUPPORTED_GROUPS: u16 = 10;
    /// RFC 8422 §5.1.2.
    pub const POINT_FORMATS: u16 = 11;
    /// RFC 5246 §7.4.1.4.1.
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    /// RFC 5764 §4.1.1.
    pub const USE_SRTP: u16 = 14;
    /// RFC 7627.
    pub const EXTENDED_MASTER_SECRET: u16 = 23;
    /// RFC 8446 §4.2.1.
    pub const SUPPORTED_VERSIONS: u16 = 43;
    /// RFC 8446 §4.2.2.
    pub const COOKIE: u16 = 44;
    /// RFC 8446 §4.2.8.
    pub const KEY_SHARE: u16 = 51;
    /// RFC 5746.
    pub const RENEGOTIATION_INFO: u16 = 0xff01;
}

/// Stands in the list of suites for an empty renegotiation_info (RFC 5746 §3.3).
const RENEGOTIATION_SCSV: u16 = 0x00ff;
/// The only method there may be, and one that a client has to offer (RFC 5246 §7.4.1.2).
pub const NO_COMPRESSION: u8 = 0;

/// Of an identifier of 1.2's sessions (RFC 5246 §7.4.1.2), which mean nothing here.
const LONGEST_SESSION: usize = 32;

/// More of them in one hello are nobody's.
const MOST_EXTENSIONS: usize = 100;

/// As a server reads it.
pub struct ClientHello<'a> {
    pub random: [u8; 32],
    pub cookie: &'a [u8],
    pub compressions: &'a [u8],
    suites: Numbers<'a>,
    groups: Option<Numbers<'a>>,
    schemes: Option<Numbers<'a>>,
    pub point_formats: bool,
    profiles: Option<Numbers<'a>>,
    pub extended_master_secret: bool,
    pub renegotiation_info: bool,
    versions: Option<Numbers<'a>>,
    shares: Option<&'a [u8]>,
}

/// What 1.3 has in a ClientHello besides.
pub struct Newer<'a> {
    pub shares: &'a [Exchange],
    /// Of a HelloRetryRequest, or empty.
    pub cookie: &'a [u8],
}

impl<'a> ClientHello<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if !is_dtls(reader.u16()?) {
            return Err(Malformed);
        }
        let random = reader.array()?;
        read_session(&mut reader)?;
        let cookie = reader.vector8()?;
        let suites = Numbers::new(reader.vector16()?)?;
        let compressions = reader.vector8()?;
        if !compressions.contains(&NO_COMPRESSION) {
            return Err(Malformed);
        }
        let mut hello = Self {
            random,
            cookie,
            compressions,
            suites,
            groups: None,
            schemes: None,
            point_formats: false,
            profiles: None,
            extended_master_secret: false,
            renegotiation_info: suites.contains(RENEGOTIATION_SCSV),
            versions: None,
            shares: None,
        };
        for_each_extension(reader, |kind, body| hello.read(kind, body))?;
        Ok(hello)
    }

    fn read(&mut self, kind: u16, body: &'a [u8]) -> Result<(), Malformed> {
        match kind {
            extension::SUPPORTED_GROUPS => self.groups = Some(Numbers::of_body(body)?),
            extension::POINT_FORMATS => self.point_formats = true,
            extension::SIGNATURE_ALGORITHMS => self.schemes = Some(Numbers::of_body(body)?),
            extension::SUPPORTED_VERSIONS => {
                self.versions = Some(Numbers::new(Reader::new(body).vector8()?)?);
            }
            extension::KEY_SHARE => self.shares = Some(Reader::new(body).vector16()?),
            extension::USE_SRTP => {
                self.profiles = Some(Numbers::new(Reader::new(body).vector16()?)?);
            }
            extension::EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            extension::RENEGOTIATION_INFO => self.renegotiation_info = first_handshake(body)?,
            _ => {}
        }
        Ok(())
    }

    /// One that says nothing of versions speaks 1.2 (RFC 8446 §4.2.1).
    pub fn offers_version(&self, version: DtlsVersion) -> bool {
        let wanted = match version {
            DtlsVersion::V1_2 => DTLS_1_2,
            DtlsVersion::V1_3 => DTLS_1_3,
        };
        match self.versions {
            None => wanted == DTLS_1_2,
            Some(versions) => versions.contains(wanted),
        }
    }

    pub fn offers_suite(&self, code: u16) -> bool {
        self.suites.contains(code)
    }

    pub fn offers_scheme(&self, scheme: u16) -> bool {
        self.schemes.is_some_and(|schemes| schemes.contains(scheme))
    }

    /// Of ours, those that the client has, best first.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        let groups = self.groups.unwrap_or_default();
        let has = move |group: &Group| groups.contains(group.code());
        Group::ALL.into_iter().filter(has)
    }

    /// Its half of an exchange (RFC 8446 §4.2.8).
    pub fn share(&self, group: Group) -> Result<Option<&'a [u8]>, Malformed> {
        let mut shares = Reader::new(self.shares.unwrap_or_default());
        while !shares.is_empty() {
            let (code, public) = (shares.u16()?, shares.vector16()?);
            if code == group.code() {
                return Ok(Some(public));
            }
        }
        Ok(None)
    }

    /// Our best group that the client has. One that lists none takes P-256 (RFC 8422 §4).
    pub fn group(&self) -> Option<Group> {
        match self.groups {
            None => Some(Group::P256),
            Some(_) => self.groups().next(),
        }
    }

    pub fn offers_profile(&self, profile: u16) -> bool {
        self.profiles
            .is_some_and(|profiles| profiles.contains(profile))
    }

    /// Ours. `cookie` is that of a server of 1.2 that wants to see it again (RFC 6347 §4.2.1); `newer`: 1.3 is offered, too.
    pub fn write(
        random: &[u8; 32],
        cookie: &[u8],
        profiles: &[u16],
        newer: Option<&Newer<'_>>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(300);
        put_u16(&mut out, DTLS_1_2);
        out.extend_from_slice(random);
        put_vector8(&mut out, &[]);
        put_vector8(&mut out, cookie);
        let newer_suites = newer.iter().flat_map(|_| v13::SUITES);
        let suites = newer_suites.chain(CipherSuite::ALL.map(CipherSuite::code));
        put_vector16(&mut out, &list(suites));
        put_vector8(&mut out, &[NO_COMPRESSION]);
        let mut extensions = Vec::with_capacity(200);
        let groups = list(Group::ALL.map(Group::code));
        put_list(&mut extensions, extension::SUPPORTED_GROUPS, &groups);
        put_extension(&mut extensions, extension::POINT_FORMATS, &[1, 0]);
        put_list(
            &mut extensions,
            extension::SIGNATURE_ALGORITHMS,
            &list(SCHEMES),
        );
        put_extension(
            &mut extensions,
            extension::USE_SRTP,
            &use_srtp(profiles.iter().copied()),
        );
        if let Some(newer) = newer {
            newer.write(&mut extensions);
        }
        put_extension(&mut extensions, extension::EXTENDED_MASTER_SECRET, &[]);
        put_extension(&mut extensions, extension::RENEGOTIATION_INFO, &[0]);
        put_vector16(&mut out, &extensions);
        out
    }
}

impl Newer<'_> {
    fn write(&self, extensions: &mut Vec<u8>) {
        let mut versions = Vec::with_capacity(5);
        put_vector8(&mut versions, &list([DTLS_1_3, DTLS_1_2]));
        put_extension(extensions, extension::SUPPORTED_VERSIONS, &versions);
        if !self.cookie.is_empty() {
            put_list(extensions, extension::COOKIE, self.cookie);
        }
        let mut shares = Vec::with_capacity(110);
        for share in self.shares {
            put_u16(&mut shares, share.group().code());
            put_vector16(&mut shares, share.public());
        }
        put_list(extensions, extension::KEY_SHARE, &shares);
    }
}

/// As a client reads it, and as a server of 1.2 writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerHello {
    pub random: [u8; 32],
    pub suite: u16,
    pub profile: Option<u16>,
    pub extended_master_secret: bool,
    /// Whether the client said the same; only then a server may (RFC 5246 §7.4.1.4).
    pub point_formats: bool,
    pub renegotiation_info: bool,
    /// Which only a server of 1.3 chooses by name (RFC 8446 §4.2.1).
    pub version: Option<u16>,
}

impl ServerHello {
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if reader.u16()? != DTLS_1_2 {
            return Err(Malformed);
        }
        let random = reader.array()?;
        read_session(&mut reader)?;
        let suite = reader.u16()?;
        if reader.u8()? != NO_COMPRESSION {
            return Err(Malformed);
        }
        let mut hello = Self {
            random,
            suite,
            profile: None,
            extended_master_secret: false,
            point_formats: false,
            renegotiation_info: false,
            version: None,
        };
        for_each_extension(reader, |kind, body| hello.read(kind, body))?;
        Ok(hello)
    }

    fn read(&mut self, kind: u16, body: &[u8]) -> Result<(), Malformed> {
        match kind {
            extension::USE_SRTP => self.profile = Some(chosen_profile(body)?),
            extension::EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            extension::POINT_FORMATS => self.point_formats = true,
            extension::RENEGOTIATION_INFO => self.renegotiation_info = first_handshake(body)?,
            extension::SUPPORTED_VERSIONS => self.version = Some(Reader::new(body).u16()?),
            _ => {}
        }
        Ok(())
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        put_u16(&mut out, DTLS_1_2);
        out.extend_from_slice(&self.random);
        put_vector8(&mut out, &[]);
        put_u16(&mut out, self.suite);
        out.push(NO_COMPRESSION);
        let mut extensions = Vec::with_capacity(40);
        if let Some(profile) = self.profile {
            put_extension(&mut extensions, extension::USE_SRTP, &use_srtp([profile]));
        }
        if self.extended_master_secret {
            put_extension(&mut extensions, extension::EXTENDED_MASTER_SECRET, &[]);
        }
        if self.point_formats {
            put_extension(&mut extensions, extension::POINT_FORMATS, &[1, 0]);
        }
        if self.renegotiation_info {
            put_extension(&mut extensions, extension::RENEGOTIATION_INFO, &[0]);
        }
        put_vector16(&mut out, &extensions);
        out
    }
}

/// What a HelloVerifyRequest wants repeated (RFC 6347 §4.2.1).
pub fn hello_verify_cookie(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(body);
    let _version = reader.u16()?;
    let cookie = reader.vector8()?;
    reader.finish()?;
    Ok(cookie)
}

/// 1.2 or later: a client that speaks 1.3 says 1.2 here, and a server that speaks 1.2 answers so.
fn is_dtls(version: u16) -> bool {
    version & 0xff00 == 0xfe00 && version <= DTLS_1_2
}

fn read_session(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.vector8()?.len() {
        0..=LONGEST_SESSION => Ok(()),
        _ => Err(Malformed),
    }
}

/// None of them twice (RFC 5246 §7.4.1.4, RFC 8446 §4.2).
pub fn for_each_extension<'a>(
    mut reader: Reader<'a>,
    mut read: impl FnMut(u16, &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if reader.is_empty() {
        return Ok(());
    }
    let mut extensions = Reader::new(reader.vector16()?);
    reader.finish()?;
    let mut seen = Vec::new();
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        if seen.contains(&kind) || seen.len() == MOST_EXTENSIONS {
            return Err(Malformed);
        }
        seen.push(kind);
        read(kind, extensions.vector16()?)?;
    }
    Ok(())
}

/// There is no handshake before this one; who knows of another is talking to somebody else, too (RFC 5746 §3.4, §3.6).
fn first_handshake(renegotiation_info: &[u8]) -> Result<bool, Malformed> {
    match renegotiation_info {
        [0] => Ok(true),
        _ => Err(Malformed),
    }
}

/// Exactly one, and no identifier of master keys, since we offer none: it would stand in every packet (RFC 5764 §4.1.3).
pub fn chosen_profile(use_srtp: &[u8]) -> Result<u16, Malformed> {
    let mut reader = Reader::new(use_srtp);
    let profiles = Numbers::new(reader.vector16()?)?;
    let identifier = reader.vector8()?;
    reader.finish()?;
    match (profiles.only(), identifier) {
        (Some(profile), []) => Ok(profile),
        (_, _) => Err(Malformed),
    }
}

pub fn put_extension(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    put_u16(out, kind);
    put_vector16(out, body);
}

pub fn put_list(out: &mut Vec<u8>, kind: u16, values: &[u8]) {
    let mut body = Vec::with_capacity(values.len() + 2);
    put_vector16(&mut body, values);
    put_extension(out, kind, &body);
}

pub fn list(values: impl IntoIterator<Item = u16>) -> Vec<u8> {
    values.into_iter().flat_map(u16::to_be_bytes).collect()
}

/// Profiles, and no master key identifier.
pub fn use_srtp(profiles: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut body = Vec::with_capacity(8);
    put_vector16(&mut body, &list(profiles));
    put_vector8(&mut body, &[]);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_client_hello_is_read_back() {
        let body = ClientHello::write(&[7; 32], b"cookie", &[1, 7], None);
        let hello = ClientHello::parse(&body).unwrap();
        assert_eq!(hello.random, [7; 32]);
        assert!(
            CipherSuite::ALL
                .iter()
                .all(|suite| hello.offers_suite(suite.code()))
        );
        assert_eq!(hello.group(), Some(Group::X25519));
        assert!(hello.offers_profile(1) && hello.offers_profile(7) && !hello.offers_profile(2));
        assert!(hello.extended_master_secret && hello.renegotiation_info);
        for len in 0..body.len() - 1 {
            // A hello without extensions is whole, too.
            let is_whole = len == 2 + 32 + 1 + 7 + 10 + 2;
            assert_eq!(ClientHello::parse(&body[..len]).is_ok(), is_whole, "{len}");
        }
    }

    #[test]
    fn server_hello_is_read_back() {
        let hello = ServerHello {
            random: [9; 32],
            suite: 0xc02b,
            profile: Some(7),
            extended_master_secret: true,
            point_formats: true,
            renegotiation_info: true,
            version: None,
        };
        assert_eq!(ServerHello::parse(&hello.write()), Ok(hello));
    }

    #[test]
    fn a_session_of_more_than_32_bytes_is_refused() {
        let session = |mut body: Vec<u8>, length: u8| {
            let at = 2 + 32;
            assert_eq!(body[at], 0, "no session");
            body[at] = length;
            body.splice(at + 1..at + 1, vec![7; length.into()]);
            body
        };
        let client = ClientHello::write(&[7; 32], &[], &[1], None);
        let server = server_hello(extension::EXTENDED_MASTER_SECRET, &[]);
        for (length, is_taken) in [(1, true), (32, true), (33, false), (255, false)] {
            let client = session(client.clone(), length);
            assert_eq!(ClientHello::parse(&client).is_ok(), is_taken, "{length}");
            let server = session(server.clone(), length);
            assert_eq!(ServerHello::parse(&server).is_ok(), is_taken, "{length}");
        }
    }

    /// With one extension.
    fn server_hello(kind: u16, extension: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        put_u16(&mut body, DTLS_1_2);
        body.extend([0; 32]);
        body.extend([0, 0xc0, 0x2b, 0]);
        let mut extensions = Vec::new();
        put_extension(&mut extensions, kind, extension);
        put_vector16(&mut body, &extensions);
        body
    }

    #[test]
    fn several_profiles_in_an_answer_are_refused() {
        let answer = |profiles: &[u16]| {
            let body = use_srtp(profiles.iter().copied());
            ServerHello::parse(&server_hello(extension::USE_SRTP, &body))
        };
        assert_eq!(answer(&[1]).unwrap().profile, Some(1));
        assert_eq!(answer(&[1, 7]), Err(Malformed));
        assert_eq!(answer(&[]), Err(Malformed));
    }

    #[test]
    fn an_identifier_of_master_keys_is_refused() {
        let mut with_identifier = use_srtp([1]);
        with_identifier.pop();
        put_vector8(&mut with_identifier, &[9]);
        let body = server_hello(extension::USE_SRTP, &with_identifier);
        assert_eq!(ServerHello::parse(&body), Err(Malformed));
    }

    #[test]
    fn a_renegotiation_is_refused() {
        let mut verify_data = Vec::new();
        put_vector8(&mut verify_data, &[5; 12]);
        let kind = extension::RENEGOTIATION_INFO;
        let body = server_hello(kind, &verify_data);
        assert_eq!(ServerHello::parse(&body), Err(Malformed));

        let mut hello = ClientHello::write(&[7; 32], &[], &[1], None);
        assert!(ClientHello::parse(&hello).is_ok());
        // The last extension of ours; what it says is one byte longer then.
        assert_eq!(hello.pop(), Some(0));
        hello.extend([1, 5]);
        for length_of in [2 + 32 + 1 + 1 + 10 + 2 + 1, hello.len() - 3] {
            hello[length_of] += 1;
        }
        assert_eq!(ClientHello::parse(&hello).err(), Some(Malformed));
    }

    #[test]
    fn who_insists_on_compression_is_refused() {
        let mut hello = ClientHello::write(&[7; 32], &[], &[1], None);
        let method = 2 + 32 + 1 + 1 + 10 + 1;
        assert_eq!(hello[method - 1..=method], [1, NO_COMPRESSION]);
        hello[method] = 1;
        assert_eq!(ClientHello::parse(&hello).err(), Some(Malformed));
    }
}
