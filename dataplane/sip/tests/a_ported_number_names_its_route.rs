//! `rn` of RFC 4694: where it stands, how it is written, and what is none.
#![allow(clippy::unwrap_used, reason = "a story that cannot be told fails")]

use sip::Uri;

fn routing(uri: &str) -> Option<String> {
    let number = Uri::parse(uri.as_bytes()).unwrap().routing_number()?;
    Some(String::from_utf8(number.as_bytes().to_vec()).unwrap())
}

#[test]
fn it_stands_in_the_user_part_or_among_the_parameters_of_tel() {
    for (uri, expected) in [
        ("sip:+12125550100;npdi;rn=+13125550000@192.0.2.1;user=phone", Some("+13125550000")),
        ("sip:12125550100;rn=+1-312-555-0000;npdi@192.0.2.1", Some("+13125550000")),
        ("sips:2125550100;RN=3125550000;npdi@example.net:5061", Some("3125550000")),
        ("sip:2125550100;rn=312555%30000;rn-context=+1;npdi@192.0.2.1", Some("+13125550000")),
        ("sip:2125550100;rn=+13125550000;rn-context=+44@192.0.2.1", Some("+13125550000")),
        ("tel:+1-212-555-0100;npdi;rn=+1-312-555-0000", Some("+13125550000")),
        // Dipped and not ported.
        ("sip:+12125550100;npdi@192.0.2.1", None),
        ("sip:+12125550100@192.0.2.1", None),
        // A parameter of the address is not one of the number.
        ("sip:+12125550100@192.0.2.1;rn=+13125550000", None),
        ("sip:+12125550100;rn@192.0.2.1", None),
        ("sip:+12125550100;rn=%0D%0A@192.0.2.1", None),
        ("mailto:someone;rn=+1", None),
    ] {
        assert_eq!(routing(uri).as_deref(), expected, "{uri}");
    }
}

#[test]
fn a_number_too_long_to_hold_is_none() {
    let long = "9".repeat(60);
    assert_eq!(routing(&format!("sip:1;rn={long}@192.0.2.1")).unwrap().len(), 60);
    assert_eq!(routing(&format!("sip:1;rn={long};rn-context=+12345@192.0.2.1")), None);
}
