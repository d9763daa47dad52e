//! Alice, a subscriber whom SIPp speaks for.

use std::path::Path;
use std::process::{Command, Stdio};

use snapshot::policy::Digest;

const SCENARIO: &str = r#"<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="a registration">
  <send retrans="500"><![CDATA[
REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:alice@[remote_ip]>;tag=[pid]
To: <sip:alice@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 REGISTER
Contact: <sip:alice@[local_ip]:[local_port]>
User-Agent: a foreign program that registers a subscriber with this switch, as phones do
Expires: 600
Content-Length: 0

  ]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:alice@[remote_ip]>;tag=[pid]
To: <sip:alice@[remote_ip]>
Call-ID: [call_id]
CSeq: 2 REGISTER
Contact: <sip:alice@[local_ip]:[local_port]>
[authentication username=alice password=PASSWORD]
User-Agent: a foreign program that registers a subscriber with this switch, as phones do
Expires: 600
Content-Length: 0

  ]]></send>
  <recv response="200"/>
</scenario>
"#;

/// The digest of `alice`, `127.0.0.1`, `wonderland`.
pub fn alice() -> Digest {
    Digest {
        user: "alice".into(),
        realm: "127.0.0.1".into(),
        ha1_md5: "94488eb5f6ad033fd898862e1dfc1211".into(),
        ha1_sha256: "cd90454af7ae5030a72396c0d14e5d2a15c56f78af37bb2129f66948ddbbad51".into(),
        ..Digest::default()
    }
}

/// SIPp registers alice from this port with the switch at another one; true if the switch agreed.
pub fn registers(folder: &Path, from: u16, sip: u16, password: &str) -> bool {
    let scenario = folder.join("register.xml");
    std::fs::write(&scenario, SCENARIO.replace("PASSWORD", password)).unwrap();
    Command::new("sipp")
        .arg("-sf")
        .arg(&scenario)
        .args(["-i", "127.0.0.1", "-p", &from.to_string(), "-m", "1", "-nostdin"])
        .args(["-timeout", "120", "-timeout_error"])
        .arg(format!("127.0.0.1:{sip}"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("sipp is installed (sip-tester)")
        .success()
}
