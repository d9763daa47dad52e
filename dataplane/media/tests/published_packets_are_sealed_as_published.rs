//! Keys and packets that the RFCs publish: RFC 3711 B.3, RFC 6188 §7, RFC 7714 §16 and §17.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use media::srtp::{Context, Keys, Refused, Secret};
use units::Suite;

const RTP: &str =
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RTP_NUMBER: u64 = 0xf17b;
const RTP_SOURCE: u32 = 0x5501_a0b2;
/// The packet that §17's figures work on, which is not the one that its introduction prints.
const RTCP: &str =
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const RTCP_NUMBER: u32 = 0x5d4;
const RTCP_SOURCE: u32 = 0x4d61_7273;

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn derived(suite: Suite, secret: &str, label: u8, length: usize) -> String {
    let mut out = vec![0; length];
    Secret::new(suite, &bytes(secret)).unwrap().derive(label, &mut out);
    hex(&out)
}

#[test]
fn keys_are_derived_as_rfc_3711_says() {
    let secret = "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6";
    let tag_key = "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef7227098\
                   6371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2";
    for (label, expected) in [
        (0, "c61e7a93744f39ee10734afe3ff7a087"),
        (1, tag_key),
        (2, "30cbbc08863d8c85d49db34a9ae1"),
        (3, "4c1aa45a81f73d61c800bbb00fbb1eaa"),
        (4, "8d54534feb49ae8e7993a6bd0b844fc323a93dfd"),
        (5, "9581c7ad87b3e530bf3e4454a8b3"),
    ] {
        let found = derived(Suite::AesCm128Sha80, secret, label, expected.len() / 2);
        assert_eq!(found, expected, "label {label}");
    }
}

/// RFC 7714 §16 and §17 name the derived keys themselves.
fn gcm(suite: Suite) -> Keys {
    let key: Vec<u8> = (0..suite.key_bytes() as u8).collect();
    Keys::new(suite, (&key, &bytes("517569642070726f2071756f")), &[], 16)
}

#[test]
fn rtp_is_sealed_and_opened_as_rfc_7714_says() {
    let figures = [
        (
            Suite::AesGcm128,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AesGcm256,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    for (suite, sealed) in figures {
        let keys = gcm(suite);
        let mut packet = bytes(RTP);
        let mut tag = [0; 16];
        keys.seal_rtp(RTP_SOURCE, RTP_NUMBER, packet.split_at_mut(12), &mut tag);
        assert_eq!(hex(&packet[12..]) + &hex(&tag), sealed, "{}", suite.name());
        keys.open_rtp(RTP_SOURCE, RTP_NUMBER, packet.split_at_mut(12), &tag).unwrap();
        assert_eq!(hex(&packet), RTP);
    }
}

#[test]
fn rtcp_is_sealed_and_opened_as_rfc_7714_says() {
    let figures = [
        (
            Suite::AesGcm128,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::AesGcm256,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ];
    for (suite, sealed) in figures {
        let (keys, length) = (gcm(suite), RTCP.len() / 2);
        let mut packet = bytes(RTCP);
        packet.resize(length + 20, 0);
        keys.seal_rtcp(RTCP_SOURCE, RTCP_NUMBER, &mut packet, length);
        assert_eq!(hex(&packet[8..]), sealed, "{}", suite.name());
        let number = keys.number(&packet, length);
        assert_eq!(number, 1 << 31 | RTCP_NUMBER);
        keys.open_rtcp(RTCP_SOURCE, number, &mut packet, length).unwrap();
        assert_eq!(hex(&packet[..length]), RTCP);
    }
}

#[test]
fn rtcp_that_is_signed_alone_is_opened_as_rfc_7714_says() {
    let (keys, length) = (gcm(Suite::AesGcm128), RTCP.len() / 2);
    let signed = bytes(&(RTCP.to_owned() + "841dd9683dd78ec92ae58790125f62b3000005d4"));
    let mut packet = signed.clone();
    let number = keys.number(&packet, length);
    keys.open_rtcp(RTCP_SOURCE, number, &mut packet, length).unwrap();
    assert_eq!(hex(&packet[..length]), RTCP);
    for place in [0, 20, length, length + 15] {
        let mut forged = signed.clone();
        forged[place] ^= 1;
        let before = forged.clone();
        assert_eq!(keys.open_rtcp(RTCP_SOURCE, number, &mut forged, length), Err(Refused::Forged), "byte {place}");
        assert_eq!(forged, before, "a packet that is not opened stays as it was");
    }
}

/// The first packet of a stream by libsrtp's published reference, with the secret of RFC 3711 B.3.
#[test]
fn a_whole_packet_comes_out_as_others_have_it() {
    let secret = bytes("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
    let mut context = Context::new(Secret::new(Suite::AesCm128Sha80, &secret).unwrap());
    let plain = bytes("800f1234decafbadcafebabeabababababababababababababababab");
    let mut room = plain.clone();
    room.resize(plain.len() + 10, 0);
    assert_eq!(context.seal(&mut room, plain.len()), Ok(38));
    assert_eq!(hex(&room), "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
    assert_eq!(context.seal(&mut plain.clone(), 28), Err(Refused::Exhausted), "no room for a tag");
}
