//! What is packed comes back as it was: numbers and ways of all kinds, dialogs, and of requests what their transactions need.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::net::{SocketAddr, SocketAddrV6};

use sip::dialog::Dialog;
use sip::packed::{Reader, put, put_hop, put_option, put_text};
use sip::{Flow, Hop, Method, Stored, Transport, parse};

const INVITE: &str = "INVITE sip:44@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
    From: \"A\" <sip:37@192.0.2.60>;tag=a\r\nTo: <sip:44@192.0.2.1>\r\nCall-ID: one@192.0.2.60\r\nCSeq: 7 INVITE\r\nROUTES\
    Record-Route: <sip:192.0.2.70;lr>\r\nContact: <sip:37@192.0.2.60>\r\nContent-Length: 5\r\n\r\nv=0\r\n";

#[test]
fn numbers_texts_and_ways() {
    let numbers = [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    let far: SocketAddr = SocketAddrV6::new("fe80::1".parse().unwrap(), 5061, 3, 7).into();
    let hops = [
        Hop::udp(0, "192.0.2.1:5060".parse().unwrap()),
        Hop { transport: Transport::Tcp, listener: 255, remote: far, flow: Some(Flow(u64::MAX)) },
        Hop {
            transport: Transport::Tls,
            listener: 1,
            remote: "[::ffff:192.0.2.1]:0".parse().unwrap(),
            flow: Some(Flow(0)),
        },
    ];
    let mut packed = Vec::new();
    for number in numbers {
        put(&mut packed, number);
        put_option(&mut packed, Some(number));
    }
    put_option(&mut packed, None);
    hops.iter().for_each(|hop| put_hop(&mut packed, *hop));
    [&b""[..], &[7; 300]].into_iter().for_each(|text| put_text(&mut packed, text));
    let read = |bytes: &[u8]| {
        let mut from = Reader(bytes);
        for number in numbers {
            assert_eq!((from.number()?, from.option()?), (number, Some(number)));
        }
        assert_eq!(from.option()?, None);
        for hop in hops {
            assert_eq!(from.hop()?, hop);
        }
        assert_eq!((from.text()?, from.text()?, from.0), (&b""[..], &[7; 300][..], &b""[..]));
        Some(())
    };
    assert_eq!(read(&packed), Some(()));
    for length in 0..packed.len() {
        assert_eq!(read(&packed[..length]), None, "{length} bytes are too few");
    }
}

#[test]
fn dialogs() {
    let mut dialog = Dialog::received(&parse::message(INVITE.replace("ROUTES", "").as_bytes()).unwrap(), b"ours");
    (dialog.local_cseq, dialog.remote_cseq) = (9, Some(u32::MAX));
    for cseq in [Some(u32::MAX), None] {
        dialog.remote_cseq = cseq;
        let mut packed = Vec::new();
        dialog.pack(&mut packed);
        assert_eq!(Dialog::unpack(&mut Reader(&packed)), Some(dialog.clone()));
    }
}

#[test]
fn of_a_request_its_branch_and_what_acknowledges_its_refusal() {
    let long = "x".repeat(90);
    for routes in [
        "",
        "Route: <sip:192.0.2.80;lr>\r\nRoute: <sip:192.0.2.81;lr>\r\n",
        &format!("Route: <sip:{long}.example;lr>\r\n"),
    ] {
        let text = INVITE.replace("ROUTES", routes).replace("Record-Route: <sip:192.0.2.70;lr>\r\n", "");
        let text = text.replace("z9hG4bK1", &format!("z9hG4bK1{}", if routes.is_empty() { &long } else { "" }));
        let stored = Stored::printed(text.clone().into_bytes()).unwrap();
        let (mut head, mut branch) = (Vec::new(), Vec::new());
        stored.pack_head(&mut head);
        stored.pack_branch(&mut branch);
        assert!(head.len() < text.len() - 40, "neither Contact nor body are needed");
        let again = Stored::unpack_head(&mut Reader(&head)).unwrap();
        let mut acks = [Vec::new(), Vec::new()];
        for (stored, ack) in [&stored, &again].into_iter().zip(&mut acks) {
            stored.companion(ack, Method::Ack, b"<sip:44@192.0.2.1>;tag=b").finish_empty();
        }
        assert_eq!(acks[0], acks[1]);
        let known = Stored::unpack_branch(&mut Reader(&branch)).unwrap();
        let message = parse::message(text.as_bytes()).unwrap();
        assert!(known.is_branch_of(&message) && again.is_branch_of(&message));
        assert_eq!((known.method(), known.number()), (Method::Invite, 7));
    }
}
