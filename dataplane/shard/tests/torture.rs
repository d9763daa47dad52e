//! Reads the files of messages beside this one.
#![allow(dead_code)] // Each test file uses a part of it.

/// One message.
pub struct Message {
    /// As the RFC calls it.
    pub name: String,
    /// As it travels.
    pub bytes: Vec<u8>,
}

/// All messages of both RFCs, in their order.
pub fn messages() -> Vec<Message> {
    let files = [include_str!("torture/rfc4475.txt"), include_str!("torture/rfc5118.txt")];
    // The line end before a name, and the last one of a file, belong to the message before them.
    let sections = |file: &'static str| file.strip_suffix('\n').unwrap_or(file).split("\n=== ").skip(1);
    files.into_iter().flat_map(sections).map(read).collect()
}

/// The message of this name.
pub fn message(name: &str) -> Message {
    messages().into_iter().find(|message| message.name == name).unwrap_or_else(|| panic!("there is a message {name}"))
}

fn read(section: &str) -> Message {
    let (name, text) = section.split_once('\n').expect("a name and a message");
    let text = expand(&described(&format!("{text}\n"))).replace('\n', "\r\n");
    let own = |branch: &str| (format!("{branch}\r\n"), format!("{branch}{}\r\n", name.replace('-', "")));
    let bytes = ["z9hG4bKkdjuw", "z9hG4bKas3-111"]
        .into_iter()
        .map(own)
        .fold(text, |text, (shared, own)| text.replace(&shared, &own));
    Message { name: name.to_owned(), bytes: unhex(&bytes) }
}

/// Puts the usual description in.
fn described(text: &str) -> String {
    let Some((head, rest)) = text.split_once("<sdp ") else { return text.to_owned() };
    let (address, tail) = rest.split_once('>').expect("the address ends");
    format!(
        "{head}v=0\no=mhandley 29739 7272939 IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0\nm=audio 49217 RTP/AVP 0 12\n\
         m=video 3227 RTP/AVP 31\na=rtpmap:31 LPC{tail}"
    )
}

/// Repeats what stands in `<repeat count=N>`.
fn expand(text: &str) -> String {
    let Some((head, rest)) = text.split_once("<repeat count=") else { return text.to_owned() };
    let (count, rest) = rest.split_once('>').expect("the count ends");
    let (part, tail) = rest.split_once("</repeat>").expect("the part ends");
    format!("{head}{}{}", part.repeat(count.parse().expect("a count")), expand(tail))
}

/// Turns what stands in `<hex>` into bytes.
fn unhex(text: &str) -> Vec<u8> {
    let Some((head, rest)) = text.split_once("<hex>") else { return text.as_bytes().to_vec() };
    let (digits, tail) = rest.split_once("</hex>").expect("the bytes end");
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"));
    head.bytes().chain(bytes).chain(unhex(tail)).collect()
}

#[test]
fn the_lengths_in_the_files_are_those_of_the_rfcs() {
    let wrong_on_purpose = ["clerr", "ncl", "mcl01", "dblreq"];
    for message in messages() {
        let text = String::from_utf8_lossy(&message.bytes).into_owned();
        let head_end = message.bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end") + 4;
        let lines = text.split("\r\n").take_while(|line| !line.is_empty());
        let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            (name == "content-length" || name == "l").then(|| value.trim().parse::<i64>().ok()).flatten()
        });
        if let Some(length) = length.filter(|_| !wrong_on_purpose.contains(&message.name.as_str())) {
            let rest = (message.bytes.len() - head_end) as i64;
            assert_eq!(rest, length, "{}", message.name);
        }
    }
}
