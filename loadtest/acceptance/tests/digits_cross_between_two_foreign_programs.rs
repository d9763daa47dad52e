//! Digits between two programs that say them differently: baresip as events in its voice (RFC 4733), SIPp by INFO. Each hears the other's.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use acceptance::baresip;
use acceptance::sipp::{Scenario, Sipp};
use acceptance::switch::{Switch, declaration};
use acceptance::{Net, PATIENCE, is_taken, until};
use serde_json::{Value, json};

/// baresip leaves the address that its media comes from to the kernel, which takes this one.
const BARESIP: Ipv4Addr = Ipv4Addr::LOCALHOST;
const CALLED: &str = "4420790012";
/// The keys that are pressed at baresip, and then at SIPp.
const PRESSED: [&str; 5] = ["4", "2", "*", "#", "2"];
const RETURNED: [&str; 4] = ["7", "7", "0", "D"];

/// Where other programs command baresip and hear what happens there: its module `ctrl_tcp`, JSON in netstrings.
struct Control {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Keys that were heard.
    keys: Vec<String>,
}

impl Control {
    fn open(at: SocketAddr) -> Option<Control> {
        let stream = TcpStream::connect(at).ok()?;
        stream.set_nonblocking(true).expect("a socket");
        Some(Control { stream, bytes: Vec::new(), keys: Vec::new() })
    }

    fn press(&mut self, key: &str) {
        let command = json!({ "command": "sndcode", "params": key }).to_string();
        write!(self.stream, "{}:{command},", command.len()).expect("baresip reads");
    }

    /// What happened until now.
    fn listen(&mut self) {
        let mut room = [0; 4_096];
        loop {
            match self.stream.read(&mut room) {
                Ok(0) => panic!("baresip has gone"),
                Ok(length) => self.bytes.extend_from_slice(&room[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        while let Some(said) = self.frame() {
            if said["type"] == "CALL_DTMF_START" {
                self.keys.push(said["param"].as_str().unwrap_or_default().to_owned());
            }
        }
    }

    fn frame(&mut self) -> Option<Value> {
        let colon = self.bytes.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&self.bytes[..colon]).ok()?.parse().ok()?;
        let end = colon + 1 + length;
        let frame = self.bytes.get(colon + 1..end).filter(|_| self.bytes.len() > end)?.to_vec();
        self.bytes.drain(..=end);
        Some(serde_json::from_slice(&frame).expect("JSON"))
    }
}

const OK: &str = "<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
";

/// Takes a call, hears the keys that were pressed at the other end, each by an INFO, says its own the same way, and is released.
fn terminator() -> String {
    let heard = |key: &&str| {
        let expected = key.replace('*', "[*]");
        format!(
            "<recv request=\"INFO\"><action><ereg regexp=\"Signal={expected}[^0-9A-D*#]\" search_in=\"msg\" check_it=\"true\" \
             assign_to=\"key\"/></action></recv>\n<Reference variables=\"key\"/>\n{OK}"
        )
    };
    let said = |(number, key): (usize, &&str)| {
        format!(
            "<send retrans=\"500\"><![CDATA[
INFO [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{CALLED}@[local_ip]:[local_port]>;tag=[pid]SIPpTag01[call_number]
To[$caller]
Call-ID: [call_id]
CSeq: {number} INFO
Max-Forwards: 70
Content-Type: application/dtmf-relay
Content-Length: [len]

Signal={key}
Duration=160
]]></send>
<recv response=\"200\"/>
",
            number = number + 1
        )
    };
    let (heard, said): (String, String) =
        (PRESSED.iter().map(heard).collect(), RETURNED.iter().enumerate().map(said).collect());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>
<scenario name=\"digits by INFO\">
<recv request=\"INVITE\" rrs=\"true\"><action><ereg regexp=\":.*\" search_in=\"hdr\" header=\"From\" assign_to=\"caller\"/></action></recv>
<send retrans=\"500\"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag01[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv request=\"ACK\"/>
{heard}{said}<recv request=\"BYE\"/>
{OK}</scenario>
"
    )
}

#[test]
fn keys_cross_from_baresip_to_sipp_and_back() {
    let net = Net::draw();
    let text = declaration(net).replacen("capacity: 5000 }", "capacity: 5000, policy: { media: { dtmf: info } } }", 1);
    let text = text.replace(&format!("[{}]", net.host(2)), &format!("[{BARESIP}]"));
    let switch = Switch::up_as(net, &text, None);
    let file = switch.folder().join("digits.xml");
    std::fs::write(&file, terminator()).expect("the folder is writable");
    let words = ["-rtp_echo", "-m", "1", "-trace_msg", "-timeout", "180"].map(String::from);
    let sipp = Sipp::start(switch.folder(), switch.terminator(), Scenario::File(file), &words);
    until(PATIENCE, "the terminator listens", || is_taken("udp", switch.terminator()).then_some(()));
    let door = SocketAddr::from((switch.originator(), 4_444));
    let lines = format!("module_app ctrl_tcp.so\nctrl_tcp_listen {door}\n");
    let folder = baresip::furnish(switch.folder(), BARESIP, "", &lines);
    let (mut control, mut pressed) = (None, 0);
    baresip::call(&folder, &format!("sip:{CALLED}@{}", switch.sip()), || {
        let Some(control) = &mut control else {
            control = Control::open(door);
            return false;
        };
        control.listen();
        // One key after the other, each once SIPp has the one before; baresip has acknowledged the answer before the first.
        let up = switch.counter("calls_answered") == 1 && sipp.asked("ACK") == 1;
        if up && pressed < PRESSED.len() && sipp.asked("INFO") == pressed {
            control.press(PRESSED[pressed]);
            pressed += 1;
        }
        control.keys.len() == RETURNED.len()
    });
    sipp.all_calls_succeed();
    assert_eq!(control.expect("baresip was commanded").keys, RETURNED);
}
