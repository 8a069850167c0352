//! Certificates, key exchange and signatures.

use crate::media::dtls::certificate::SCHEMES;
use crate::media::dtls::suite::Group;
use crate::media::dtls::wire::{
    Malformed, Reader, put_u16, put_vector8, put_vector16, put_vector24,
};

/// RFC 8422 §5.4.
const NAMED_CURVE: u8 = 3;
/// `ClientCertificateType`, RFC 5246 §7.4.4 and RFC 8422 §5.5.
const RSA_SIGN: u8 = 1;
const ECDSA_SIGN: u8 = 64;

/// One certificate, ours.
pub fn write_certificate(certificate: &[u8]) -> Vec<u8> {
    let mut list = Vec::with_capacity(certificate.len() + 3);
    put_vector24(&mut list, certificate);
    let mut out = Vec::with_capacity(list.len() + 3);
    put_vector24(&mut out, &list);
    out
}

/// The first of the list, if there is one: the peer's own.
pub fn leaf_certificate(body: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut reader = Reader::new(body);
    let mut list = Reader::new(reader.vector24()?);
    reader.finish()?;
    if list.is_empty() {
        return Ok(None);
    }
    let leaf = list.vector24()?;
    while !list.is_empty() {
        list.vector24()?;
    }
    Ok(Some(leaf))
}

/// A signature and how it was made (RFC 5246 §4.7).
pub struct Signed<'a> {
    pub scheme: u16,
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let scheme = reader.u16()?;
        let signature = reader.vector16()?;
        reader.finish()?;
        Ok(Self { scheme, signature })
    }

    pub fn write(out: &mut Vec<u8>, scheme: u16, signature: &[u8]) {
        put_u16(out, scheme);
        put_vector16(out, signature);
    }
}

/// RFC 8422 §5.4, named curves alone.
pub struct ServerKeyExchange<'a> {
    pub group: Group,
    pub public: &'a [u8],
    /// What the signature covers behind the two randoms.
    pub parameters: &'a [u8],
    pub signed: Signed<'a>,
}

impl<'a> ServerKeyExchange<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if reader.u8()? != NAMED_CURVE {
            return Err(Malformed);
        }
        let group = Group::from_code(reader.u16()?).ok_or(Malformed)?;
        let public = reader.vector8()?;
        let (parameters, rest) = body.split_at_checked(4 + public.len()).ok_or(Malformed)?;
        Ok(Self {
            group,
            public,
            parameters,
            signed: Signed::parse(rest)?,
        })
    }

    pub fn write_parameters(group: Group, public: &[u8]) -> Vec<u8> {
        let mut out = vec![NAMED_CURVE];
        put_u16(&mut out, group.code());
        put_vector8(&mut out, public);
        out
    }
}

/// RFC 5246 §7.4.4.
pub struct CertificateRequest;

impl CertificateRequest {
    /// Only that it is one: we have one certificate, and show it whatever the peer likes best.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let _types = reader.vector8()?;
        let _schemes = reader.vector16()?;
        let _authorities = reader.vector16()?;
        reader.finish()?;
        Ok(Self)
    }

    /// Either kind of key, any scheme that we verify, any authority.
    pub fn write() -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        put_vector8(&mut out, &[ECDSA_SIGN, RSA_SIGN]);
        let schemes: Vec<u8> = SCHEMES.iter().flat_map(|code| code.to_be_bytes()).collect();
        put_vector16(&mut out, &schemes);
        put_vector16(&mut out, &[]);
        out
    }
}

pub fn client_key_exchange(public: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(public.len() + 1);
    put_vector8(&mut out, public);
    out
}

pub fn read_client_key_exchange(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(body);
    let public = reader.vector8()?;
    reader.finish()?;
    Ok(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_whole() {
        let leaf = |list: &[u8]| {
            let mut body = Vec::new();
            put_vector24(&mut body, list);
            leaf_certificate(&body).map(|leaf| leaf.map(<[u8]>::to_vec))
        };
        assert_eq!(leaf(&[]), Ok(None));
        assert_eq!(leaf(&[0, 0, 1, 7]), Ok(Some(vec![7])));
        assert_eq!(leaf(&[0, 0, 1, 7, 0, 0, 1, 8]), Ok(Some(vec![7])));
        assert_eq!(leaf(&[0, 0, 1, 7, 0, 0, 2, 8]), Err(Malformed));
    }
}
