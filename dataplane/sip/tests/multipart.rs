//! Bodies of several parts: the description is found, or it is said why not.

use sip::multipart::{DEPTH_MAX, PARTS_MAX, sdp};

const KIND: &[u8] = b"multipart/mixed;boundary=\"b-1\"";
const SDP: &str = "--b-1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";

fn read(body: &str) -> Result<Option<String>, u16> {
    let found = sdp(KIND, body.as_bytes()).map_err(|flaw| flaw.status)?;
    Ok(found.map(|part| String::from_utf8_lossy(part).into_owned()))
}

#[test]
fn the_description_is_found_among_other_parts() {
    let isup = "--b-1\r\nContent-Type: application/isup; version=x\r\nContent-Disposition: signal; handling=optional\r\n\r\n\u{1}b-1";
    let cases = [
        format!("{SDP}\r\n--b-1--"),
        format!("preamble\r\n{SDP}\r\n--b-1--\r\nepilogue"),
        format!("{isup}\r\n{SDP}\r\n--b-1--\r\n"),
        format!("{SDP}\r\n{isup}\r\n--b-1--\r\n"),
        "--b-1  \r\ncontent-disposition: Session;handling=required\r\ncontent-type :application/SDP;x=y\r\n\r\nv=0\r\n\r\n--b-1--"
            .to_string(),
    ];
    for body in cases {
        assert_eq!(read(&body), Ok(Some("v=0\r\n".to_string())), "{body}");
    }
}

#[test]
fn what_is_no_description_is_none() {
    assert_eq!(sdp(b"text/plain", b"v=0"), Ok(None));
    assert_eq!(read("--b-1\r\n\r\nplain\r\n--b-1--"), Ok(None), "a part without headers is plain text");
}

#[test]
fn a_part_that_must_be_understood_and_is_not_is_refused() {
    let must = "--b-1\r\nContent-Type: text/x\r\nContent-Disposition: render;handling=Required\r\n\r\nx";
    assert_eq!(read(&format!("{SDP}\r\n{must}\r\n--b-1--")), Err(415));
    let unsaid = must.replace(";handling=Required", "");
    assert_eq!(read(&format!("{SDP}\r\n{unsaid}\r\n--b-1--")), Err(415), "required unless it says otherwise");
    let early = SDP.replacen("\r\nContent-Type", "\r\nContent-Disposition: early-session\r\nContent-Type", 1);
    assert_eq!(read(&format!("{early}\r\n--b-1--")), Err(415), "a description of something else");
    let ignored = early.replace("early-session", "early-session;handling=optional");
    assert_eq!(read(&format!("{ignored}\r\n--b-1--")), Ok(None));
    let many = "--b-1\r\n\r\nx\r\n".repeat(PARTS_MAX + 1);
    assert_eq!(read(&format!("{many}--b-1--")), Err(415), "too many parts");
}

#[test]
fn a_body_that_is_cut_anywhere_is_refused_and_nothing_panics() {
    let whole = format!("{SDP}\r\n--b-1--");
    for end in 0..whole.len() {
        assert_eq!(read(&whole[..end]), Err(400), "{end}");
    }
    for kind in ["multipart/mixed", "multipart/mixed;boundary=", "multipart/mixed;boundary=\"\""] {
        assert!(sdp(kind.as_bytes(), whole.as_bytes()).is_err(), "{kind}");
    }
}

/// `inner` as the only part of a body with this boundary.
fn wrapped(kind: &str, boundary: &str, inner: &str) -> String {
    format!("--{boundary}\r\nContent-Type: {kind}\r\n\r\n{inner}\r\n--{boundary}--")
}

#[test]
fn parts_that_have_parts_are_looked_into() {
    let inner = SDP.replace("b-1", "b-12") + "\r\n--b-12--";
    let text = "--b-1\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
    let nested = wrapped("multipart/alternative; boundary=b-12", "b-1", &inner);
    let found = Ok(Some("v=0\r\n".to_string()));
    assert_eq!(read(&nested), found, "its boundary begins like the one around it");
    assert_eq!(read(&format!("{text}{nested}")), found);
    let optional = nested.replacen(
        "\r\nContent-Type: multi",
        "\r\nContent-Disposition: Session; handling=required\r\nContent-Type: multi",
        1,
    );
    assert_eq!(read(&optional), found, "required, and understood");
    let aside = optional.replace(": Session; handling=required", ": early-session");
    assert_eq!(read(&aside), Err(415), "of something else, and required");
    assert_eq!(read(&aside.replace(": early-session", ": early-session;handling=optional")), Ok(None));
    assert_eq!(read(&nested.replace("v=0", "v=0\r\n--b-1")), Err(400), "the outer boundary cuts the inner body");
    let mut deep = SDP.replace("b-1", "d0") + "\r\n--d0--";
    for depth in 1..DEPTH_MAX {
        deep = wrapped(&format!("multipart/mixed;boundary=d{}", depth - 1), &format!("d{depth}"), &deep);
        let kind = format!("multipart/mixed;boundary=d{depth}");
        assert_eq!(sdp(kind.as_bytes(), deep.as_bytes()).unwrap_or_default(), Some(&b"v=0\r\n"[..]), "{depth}");
    }
    deep = wrapped(&format!("multipart/mixed;boundary=d{}", DEPTH_MAX - 1), "b-1", &deep);
    assert_eq!(read(&deep), Err(415), "too deep");
}

#[test]
fn of_alternatives_the_last_that_is_understood_counts() {
    let later = "--b-1\r\nContent-Type: application/sdp\r\n\r\nv=1\r\n";
    let odd = "--b-1\r\nContent-Type: application/x\r\nContent-Disposition: Session; handling=required\r\n\r\nx";
    let body = format!("{SDP}\r\n{later}\r\n{odd}\r\n--b-1--");
    let choose = |kind: &[u8]| sdp(kind, body.as_bytes()).map_err(|flaw| flaw.status);
    assert_eq!(choose(b"multipart/alternative;boundary=b-1"), Ok(Some(&b"v=1\r\n"[..])));
    assert_eq!(choose(b"multipart/mixed;boundary=b-1"), Err(415));
}
