//! STIR/SHAKEN between SIPp and OpenSSL: what we sign is right to a foreign library, what a foreign library signed is right to us, and
//! whatever is wrong with it is told from the rest. Records and counters say the same.

#[path = "../../../controlplane/tests/support/https.rs"]
mod https;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use acceptance::Net;
use acceptance::books::Record;
use acceptance::sipp::Scenario;
use acceptance::switch::{Switch, declaration};
use base64ct::{Base64UrlUnpadded, Encoding};
use https::Https;
use serde_json::{Value, json};

const CALLER: &str = "447700900123";
const CALLED: &str = "4420790012";
const ORIGID: &str = "123e4567-e89b-42d3-a456-426655440000";
/// Where our own certificate is said to be.
const OURS: &str = "https://cert.tandem.example/shaken.pem";
/// TNAuthList with the code 709J of its owner (RFC 8226 §9), and one that names a number alone.
const SPC: &str = "30:08:a0:06:16:04:37:30:39:4a";
const NUMBER: &str = "30:08:a2:06:16:04:31:32:33:34";

/// What OpenSSL makes and checks, in a folder of its own.
struct OpenSsl(PathBuf);

impl OpenSsl {
    fn run(&self, words: &[&str]) -> bool {
        let mut command = Command::new("openssl");
        let command = command.args(words).current_dir(&self.0).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("openssl is installed").success()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// An authority.
    fn authority(&self, name: &str) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let named = ["-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &certificate];
        assert!(self.run(&[&made[..], &named].concat()));
    }

    /// A signer's key, and its certificate by an authority with this TNAuthList.
    fn signer(&self, name: &str, authority: &str, list: &str) {
        self.certified(name, authority, &format!("1.3.6.1.5.5.7.1.26=DER:{list}\n"));
    }

    /// A key, and its certificate by an authority with this extension.
    fn certified(&self, name: &str, authority: &str, extension: &str) {
        let [key, request, certificate, extensions] = ["key", "csr", "crt", "ext"].map(|kind| format!("{name}.{kind}"));
        std::fs::write(self.file(&extensions), extension).expect("a folder");
        let made = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj"];
        assert!(self.run(&[&made[..], &[&format!("/CN={name}"), "-keyout", &key, "-out", &request]].concat()));
        let (by, with) = (format!("{authority}.crt"), format!("{authority}.key"));
        let signed = ["x509", "-req", "-days", "2", "-in", &request, "-CA", &by, "-CAkey", &with, "-CAcreateserial"];
        assert!(self.run(&[&signed[..], &["-extfile", &extensions, "-out", &certificate]].concat()));
    }

    /// r and s of a signature.
    fn sign(&self, signer: &str, text: &str) -> Vec<u8> {
        std::fs::write(self.file("text"), text).expect("a folder");
        let key = format!("{signer}.key");
        assert!(self.run(&["dgst", "-sha256", "-sign", &key, "-out", "signature", "text"]));
        let der = std::fs::read(self.file("signature")).expect("it was written");
        let first = 4 + usize::from(der[3]);
        [&der[4..first], &der[first + 2..]].map(thirty_two).concat()
    }

    /// Whether the owner of a private key signed this.
    fn verifies(&self, signer: &str, text: &str, signature: &[u8]) -> bool {
        std::fs::write(self.file("text"), text).expect("a folder");
        let numbers: Vec<u8> = signature.chunks(32).flat_map(integer).collect();
        std::fs::write(self.file("signature"), [vec![0x30, numbers.len() as u8], numbers].concat()).expect("a folder");
        assert!(self.run(&["pkey", "-in", &format!("{signer}.key"), "-pubout", "-out", "public"]));
        self.run(&["dgst", "-sha256", "-verify", "public", "-signature", "signature", "text"])
    }
}

/// A number of DER in 32 bytes.
fn thirty_two(number: &[u8]) -> Vec<u8> {
    let bytes = &number[number.len().saturating_sub(32)..];
    [vec![0; 32 - bytes.len()], bytes.to_vec()].concat()
}

/// A number as DER has it (X.690 §8.3.2): without zeros that are not needed.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let sign = u8::from(number.get(zeros).is_none_or(|byte| *byte >= 0x80));
    let held = [vec![0; usize::from(sign)], number[zeros..].to_vec()].concat();
    [vec![0x02, held.len() as u8], held].concat()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_secs()
}

fn encoded(text: &str) -> String {
    Base64UrlUnpadded::encode_string(text.as_bytes())
}

/// A PASSporT as its signer writes it.
struct Passport<'a> {
    signer: &'a str,
    x5u: String,
    dest: &'a str,
    at: u64,
}

impl Passport<'_> {
    fn value(&self, openssl: &OpenSsl) -> String {
        let (x5u, dest, at) = (&self.x5u, self.dest, self.at);
        let head = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{x5u}"}}"#);
        let claims = format!(
            r#"{{"attest":"A","dest":{{"tn":["{dest}"]}},"iat":{at},"orig":{{"tn":"{CALLER}"}},"origid":"{ORIGID}"}}"#
        );
        let text = format!("{}.{}", encoded(&head), encoded(&claims));
        let signature = Base64UrlUnpadded::encode_string(&openssl.sign(self.signer, &text));
        format!("{text}.{signature};info=<{x5u}>;alg=ES256;ppt=\"shaken\"")
    }
}

/// Serves certificates by HTTP, and counts who asks for which.
fn serve(at: Ipv4Addr, folder: PathBuf) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((at, 0)).expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = [0; 4_096];
            let length = stream.read(&mut bytes).unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let path = text.split_whitespace().nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
            let (status, body) = match std::fs::read(folder.join(&path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            list.lock().expect("nobody panics with it").push(path);
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    (port, asked)
}

/// What [`declaration`] says, with these policies of the ingress and the egress trunk.
fn declared(net: Net, ingress: &Value, egress: &Value) -> String {
    let text = declaration(net).replace("capacity: 5000 }", &format!("capacity: 5000, policy: {egress} }}"));
    let mut text = text;
    let _ = writeln!(text, "    policy: {ingress}");
    text
}

/// Writes what SIPp plays: one call with this Identity, which meets this status; 200 is talked over and ended.
fn scenario(folder: &Path, name: &str, identity: &str, status: u16) -> PathBuf {
    let line = if identity.is_empty() { String::new() } else { format!("Identity: {identity}\n") };
    let via = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]";
    let invite = format!(
        "INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n{via}\nFrom: <sip:{CALLER}@[local_ip]>;tag=[call_number]\n\
         To: <sip:[service]@[remote_ip]>\nCall-ID: [call_id]\nCSeq: 1 INVITE\nContact: <sip:{CALLER}@[local_ip]:[local_port]>\n\
         Max-Forwards: 70\n{line}Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\no=- 1 1 IN IP4 [local_ip]\ns=-\n\
         c=IN IP4 [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 8\n"
    );
    let within = |method: &str, number: u8, branch: &str| {
        format!(
            "{method} [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}\n\
             From: <sip:{CALLER}@[local_ip]>;tag=[call_number]\n[last_To:]\nCall-ID: [call_id]\nCSeq: {number} {method}\n\
             Max-Forwards: 70\nContent-Length: 0\n\n"
        )
    };
    let send = |text: &str| format!("<send><![CDATA[\n{text}\n]]></send>\n");
    let mut steps = send(&invite);
    steps += "<recv response=\"100\" optional=\"true\"/><recv response=\"180\" optional=\"true\"/>\n";
    let _ = writeln!(steps, "<recv response=\"{status}\" rrs=\"true\"/>");
    if status == 200 {
        steps += &send(&within("ACK", 1, "[branch]"));
        steps += &send(&within("BYE", 2, "[branch]"));
        steps += "<recv response=\"200\"/>\n";
    } else {
        let ack = invite.split("Contact:").next().expect("a head").replace("INVITE", "ACK");
        let ack = ack.replace("To: <sip:[service]@[remote_ip]>", "[last_To:]").replace("[branch]", "[branch-2]");
        steps += &send(&format!("{ack}Max-Forwards: 70\nContent-Length: 0\n\n"));
    }
    let file = folder.join(format!("{name}.xml"));
    std::fs::write(&file, format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">\n{steps}</scenario>\n"))
        .expect("a folder");
    file
}

/// One call, which SIPp must find as it was foretold.
fn call(switch: &Switch, name: &str, identity: &str, status: u16) {
    let file = scenario(switch.folder(), name, identity, status);
    switch.placing(Scenario::File(file), 1, 1, 0, CALLED, &[]).ends().unwrap_or_else(|flaw| panic!("{name}: {flaw}"));
}

fn openssl(folder: &Path) -> OpenSsl {
    let place = folder.join("openssl");
    std::fs::create_dir_all(&place).expect("a folder");
    let openssl = OpenSsl(place);
    openssl.authority("sti-ca");
    openssl.signer("originator", "sti-ca", SPC);
    openssl
}

#[test]
fn what_we_sign_is_right_to_a_foreign_library() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (net, openssl) = (Net::draw(), openssl(folder.path()));
    let key = std::fs::read_to_string(openssl.file("originator.key")).expect("it was made");
    let signer = json!({ "certificate": OURS, "private_key": key });
    let ingress = json!({ "stir": { "attest": "numbers", "numbers": ["447700"], "origid": ORIGID } });
    let egress = json!({ "stir": { "sign": "missing", "signer": signer } });
    let switch = Switch::up_as(net, &declared(net, &ingress, &egress), None);
    let terminator = switch.taking(&["-trace_msg"]);
    call(&switch, "unsigned", "", 200);
    let record = attempt(&switch, 1);
    assert_eq!((record.text("identity"), record.text("attestation")), ("signed", "A"), "{record:#?}");
    assert_eq!((record.text("identity_origin"), record.text("identity_doubt")), (ORIGID, ""));
    assert_eq!(switch.counter("identities_signed"), 1);
    let value = terminator.received("Identity:").expect("the terminator heard it");
    let (token, params) = value.split_once(';').expect("it has parameters");
    assert_eq!(params, format!("info=<{OURS}>;alg=ES256;ppt=\"shaken\""));
    let (text, signature) = token.rsplit_once('.').expect("it is signed");
    let signature = Base64UrlUnpadded::decode_vec(signature).expect("base64");
    assert!(openssl.verifies("originator", text, &signature), "OpenSSL finds it right");
    assert!(!openssl.verifies("originator", &format!("{text}A"), &signature));
    assert!(!openssl.verifies("sti-ca", text, &signature));
    let claims = text.split_once('.').map(|(_, claims)| Base64UrlUnpadded::decode_vec(claims).expect("base64"));
    let claims: Value = serde_json::from_slice(&claims.expect("it has claims")).expect("JSON");
    let at = claims["iat"].as_u64().expect("seconds");
    assert!(now_s().abs_diff(at) < 3_600, "{claims}");
    let said =
        json!({ "attest": "A", "dest": { "tn": [CALLED] }, "iat": at, "orig": { "tn": CALLER }, "origid": ORIGID });
    assert_eq!(claims, said);
    let shown = switch.shown("/api/v1/egress-trunks");
    assert!(
        shown.to_string().contains(OURS) && !shown.to_string().contains("private"),
        "the key is never shown: {shown}"
    );
}

/// The record of an attempt, once so many calls are in the database.
fn attempt(switch: &Switch, calls: usize) -> Record {
    switch.collected(calls);
    let all = switch.records_and_attempts().expect("the database answers");
    all.into_iter().find(|record| record.number("attempt") == 1).expect("it was tried")
}

#[test]
fn what_others_signed_is_told_from_what_nobody_did() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (net, openssl) = (Net::draw(), openssl(folder.path()));
    openssl.authority("nobody");
    openssl.signer("stranger", "nobody", SPC);
    openssl.signer("numbered", "sti-ca", NUMBER);
    let (port, asked) = serve(net.host(9), openssl.0.clone());
    let x5u = |signer: &str| format!("http://{}:{port}/{signer}.crt", net.host(9));
    openssl.authority("web-ca");
    openssl.certified("server", "web-ca", &format!("subjectAltName=IP:{}\n", net.host(9)));
    let server = Https::serve(&openssl.0, net.host(9), "server");
    let [roots, ca] = ["sti-ca.crt", "web-ca.crt"].map(|name| openssl.file(name).display().to_string());
    let named = [("TANDEM_STIR_ROOTS", roots.as_str()), ("TANDEM_STIR_HTTPS_CA", &ca)];
    let environment = [&named[..], &[("TANDEM_STIR_FROM", "127.0.0.0/8")]].concat();
    let (ingress, egress) =
        (json!({ "stir": { "verify": "require" } }), json!({ "stir": { "sign": "relay", "verstat": true } }));
    let switch = Switch::up_knowing(net, &declared(net, &ingress, &egress), &environment);
    let terminator = switch.taking(&["-trace_msg"]);
    let of = |signer: &'static str| Passport { signer, x5u: x5u(signer), dest: CALLED, at: now_s() };
    let made = |passport: Passport<'_>| passport.value(&openssl);
    let good = made(of("originator"));
    call(&switch, "right", &good, 200);
    let told = terminator.received("From:").expect("the terminator heard it");
    assert!(told.contains(&format!("{CALLER};verstat=TN-Validation-Passed@")), "{told}");
    assert_eq!(terminator.received("Identity:").as_deref(), Some(good.as_str()), "it goes on as it came");
    call(&switch, "by https", &made(Passport { x5u: server.url("originator.crt"), ..of("originator") }), 200);
    let forged = made(Passport { signer: "stranger", x5u: x5u("originator"), ..of("stranger") });
    let tampered = good.replacen(&encoded(r#"{"attest":"A"#), &encoded(r#"{"attest":"B"#), 1);
    let rows = [
        ("forged", forged, 438, "signature"),
        ("replayed", made(Passport { dest: "4420790013", ..of("originator") }), 438, "numbers"),
        ("stale", made(Passport { at: now_s() - 120, ..of("originator") }), 403, "stale"),
        ("unknown", made(of("stranger")), 437, "certificate"),
        ("numbered", made(of("numbered")), 437, "certificate"),
        ("absent", made(Passport { x5u: x5u("nowhere"), ..of("originator") }), 436, "unreachable"),
        ("nonsense", "nonsense".to_owned(), 438, "malformed"),
        ("huge", "A".repeat(8_000), 438, "malformed"),
        ("missing", String::new(), 428, ""),
    ];
    assert_ne!(tampered, good);
    for (place, (name, value, status, doubt)) in rows.iter().enumerate() {
        call(&switch, name, value, *status);
        let records = switch.collected(place + 3);
        let newest = records.iter().find(|record| {
            record.number("sip_status") == u64::from(*status) && record.text("identity_doubt") == *doubt
        });
        assert!(newest.is_some(), "{name}: {records:#?}");
    }
    call(&switch, "tampered", &tampered, 438);
    let records = switch.collected(rows.len() + 3);
    let count = |word: &str| records.iter().filter(|record| record.text("identity") == word).count() as u64;
    for word in ["passed", "failed", "missing", "unknown"] {
        assert_eq!(count(word), switch.counter(&format!("identities_{word}")), "{word}");
    }
    assert_eq!((count("passed"), count("missing"), count("unknown")), (2, 1, 1));
    let fetched = asked.lock().expect("nobody panics with it").iter().filter(|path| *path == "originator.crt").count();
    assert_eq!(fetched, 1, "one fetch serves all calls");
}
