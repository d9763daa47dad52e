//! The message that parsers are measured with.

/// One INVITE of 1 kB as a carrier's switch sends it.
pub fn invite() -> Vec<u8> {
    let body = "v=0\r\no=- 1718092800 1718092800 IN IP4 192.0.2.30\r\ns=-\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\n\
        m=audio 31884 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n\
        a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    format!(
        "INVITE sip:37060011111@198.51.100.20:5060;transport=udp SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK5d8f7a0c21b34e96;rport\r\nMax-Forwards: 69\r\n\
         From: \"Ana Example\" <sip:+4930123456789@192.0.2.20>;tag=7f3a9c5e1b2d4680\r\n\
         To: <sip:37060011111@198.51.100.20>\r\nCall-ID: 3c26701f-8a4be2d0-59c1e7@192.0.2.20\r\nCSeq: 101 INVITE\r\n\
         Contact: <sip:+4930123456789@192.0.2.20:5060;transport=udp>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY\r\nSupported: timer, 100rel\r\n\
         P-Asserted-Identity: <sip:+4930123456789@192.0.2.20>\r\nSession-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\n\
         User-Agent: Example SBC 7.4\r\nAccept: application/sdp\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
