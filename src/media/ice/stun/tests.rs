use super::*;
use crate::sdp::IceRole;

/// RFC 5769 §2.1, the sample request.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
    002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769 §2.2 and §2.3, the sample responses.
const RESPONSE_V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
const RESPONSE_V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41\
    80280004c8fb0b4c";
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

fn write(write: impl FnOnce(Writer<'_>) -> Option<usize>) -> Vec<u8> {
    let mut buffer = [0; MAX_LEN];
    let writer = Writer::begin(&mut buffer, Class::Request, TransactionId([7; 12]));
    let len = write(writer).unwrap();
    buffer[..len].to_vec()
}

#[test]
fn sample_request_of_rfc_5769() {
    let bytes = bytes(REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class, Class::Request);
    assert_eq!(message.username, Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.receiver_fragment(), Some(&b"evtj"[..]));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(
        message.role,
        Some((IceRole::Controlled, 0x932f_f9b1_5126_3b36))
    );
    assert!(message.is_authentic(PASSWORD));
    assert!(!message.is_authentic("VOkJxbRl1RmTxUk/WvJxBT"));
}

#[test]
fn sample_responses_of_rfc_5769() {
    for (hex, mapped) in [
        (RESPONSE_V4, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let bytes = bytes(hex);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.mapped, Some(mapped.parse().unwrap()));
        assert!(message.is_authentic(PASSWORD));
    }
}

#[test]
fn what_is_written_is_read() {
    let request = write(|writer| {
        writer
            .username("them", "us")
            .priority(77)
            .role(IceRole::Controlling, 9)
            .use_candidate()
            .finish("secret")
    });
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.username, Some(&b"them:us"[..]));
    assert_eq!(message.priority, Some(77));
    assert!(message.use_candidate);
    assert_eq!(message.role, Some((IceRole::Controlling, 9)));
    assert!(message.is_authentic("secret") && !message.is_authentic("Secret"));
    for address in ["192.0.2.7:4000", "[2001:db8::9]:4001"] {
        let address = address.parse().unwrap();
        let response = write(|writer| writer.mapped(address).finish("secret"));
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.mapped, Some(address));
    }
    let refusal = write(|writer| writer.error(487, "Role Conflict").finish("secret"));
    assert_eq!(Message::parse(&refusal).unwrap().error, Some(487));
}

#[test]
fn one_changed_bit_is_noticed() {
    let whole = bytes(REQUEST);
    // Without its name the fingerprint is missing, which is allowed; nothing is believed without the integrity.
    let name = (whole.len() - 8) * 8..(whole.len() - 6) * 8;
    for at in (0..whole.len() * 8).filter(|at| !name.contains(at)) {
        let mut changed = whole.clone();
        changed[at / 8] ^= 1 << (at % 8);
        let message = Message::parse(&changed);
        let believed = message.is_ok_and(|message| message.is_authentic(PASSWORD));
        assert!(!believed, "bit {at}");
    }
    for len in 0..whole.len() {
        assert!(Message::parse(&whole[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn what_follows_the_integrity_is_not_read() {
    let mut buffer = [0; MAX_LEN];
    let writer = Writer::begin(&mut buffer, Class::Request, TransactionId([7; 12]));
    let len = writer.username("them", "us").finish("secret").unwrap();
    // In place of the fingerprint, a nomination: well-formed, and nobody vouches for it.
    let mut forged = buffer[..len - 8].to_vec();
    forged.extend([0x00, 0x25, 0, 0]);
    let length = (forged.len() - HEADER) as u16;
    forged[2..4].copy_from_slice(&length.to_be_bytes());
    let message = Message::parse(&forged).unwrap();
    assert!(message.is_authentic("secret") && !message.use_candidate);
}

#[test]
fn attributes_that_must_be_understood_are_named() {
    let request = write(|writer| {
        writer
            .attribute_for_test(0x7fff)
            .attribute_for_test(0xc057)
            .finish("secret")
    });
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.not_understood, Some(0x7fff));
}

#[test]
fn too_small_a_buffer_gives_nothing() {
    for size in 0..60 {
        let mut buffer = vec![0; size];
        let writer = Writer::begin(&mut buffer, Class::Success, TransactionId([7; 12]));
        let len = writer
            .mapped(([192, 0, 2, 7], 4000).into())
            .finish("secret");
        assert_eq!(len, None, "{size} bytes");
    }
}
