//! SIP spoken by hand over UDP: for stories that must hold calls in states that SIPp only passes through.

use std::net::{SocketAddr, UdpSocket};

use crate::{PATIENCE, until};

/// A socket that keeps what it heard until somebody asks for it.
#[derive(Debug)]
pub struct Phone {
    socket: UdpSocket,
    heard: Vec<String>,
}

impl Phone {
    /// One at this address.
    pub fn at(address: SocketAddr) -> Phone {
        let socket = UdpSocket::bind(address).expect("the address is free");
        socket.set_nonblocking(true).expect("a socket can be told not to wait");
        Phone { socket, heard: Vec::new() }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// Sends a message.
    pub fn say(&self, to: SocketAddr, message: &str) {
        self.socket.send_to(message.as_bytes(), to).expect("loopback takes it");
    }

    /// The first message that fits among those that came and were not asked for yet.
    pub fn heard(&mut self, fits: impl Fn(&str) -> bool) -> Option<String> {
        let mut bytes = [0; 8_192];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            self.heard.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        let at = self.heard.iter().position(|message| fits(message))?;
        Some(self.heard.remove(at))
    }

    /// Waits for a message that begins like this and has this line.
    pub fn hears(&mut self, begins: &str, line: &str) -> String {
        let sentence = format!("{begins:?} comes with {line:?}");
        until(PATIENCE, &sentence, || {
            self.heard(|text| text.starts_with(begins) && text.lines().any(|found| found.contains(line)))
        })
    }

    /// An INVITE of this caller, whose number names the call too.
    pub fn invite(&self, caller: &str, called: &str, to: SocketAddr) -> String {
        let uri = format!("sip:{called}@{to}");
        self.request(("INVITE", 1), &uri, caller, &format!("To: <{uri}>"))
    }

    /// The CANCEL of an INVITE of ours (RFC 3261 §9.1).
    pub fn cancel(&self, invite: &str) -> String {
        let head = invite.split("Contact:").next().expect("a message has a beginning");
        format!("{}Content-Length: 0\r\n\r\n", head.replacen("INVITE", "CANCEL", 1).replace("1 INVITE", "1 CANCEL"))
    }

    /// A request within the dialog of this answer to an INVITE of ours (RFC 3261 §12.2.1.1).
    pub fn within(&self, answer: &str, caller: &str, method: &str, sequence: u32) -> String {
        let contact = line(answer, "Contact:");
        let uri = contact.split(['<', '>']).nth(1).expect("a contact has a URI");
        self.request((method, sequence), uri, caller, line(answer, "To:"))
    }

    fn request(&self, (method, sequence): (&str, u32), uri: &str, caller: &str, to: &str) -> String {
        let from = self.address();
        let body = if method == "INVITE" { sdp(from) } else { String::new() };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{caller}{method}{sequence};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{caller}@{from}>;tag=a{caller}\r\n{to}\r\nCall-ID: {caller}@hand\r\n\
             CSeq: {sequence} {method}\r\nContact: <sip:{caller}@{from}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Answers a request; a 183 or a 200 to an INVITE has a description.
    pub fn reply(&self, request: &str, status: &str, to: SocketAddr) {
        let heads = ["Via:", "From:", "Call-ID:", "CSeq:"].map(|name| line(request, name)).join("\r\n");
        let described = request.starts_with("INVITE") && (status.starts_with("183") || status.starts_with("200"));
        let body = if described { sdp(self.address()) } else { String::new() };
        let text = format!(
            "SIP/2.0 {status}\r\n{heads}\r\n{};tag=b\r\nContact: <sip:{}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            line(request, "To:"),
            self.address(),
            body.len()
        );
        self.say(to, &text);
    }
}

/// The line of a message that begins like this.
pub fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} stands in {message}"))
}

fn sdp(at: SocketAddr) -> String {
    let ip = at.ip();
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n")
}
