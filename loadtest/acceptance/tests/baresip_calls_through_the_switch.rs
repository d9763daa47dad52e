//! A second foreign program, baresip, places calls: each has its records and its exact price.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use acceptance::books::exact;
use acceptance::switch::Switch;

/// Calls, one after the other.
const CALLS: usize = 3;
/// Seconds after which baresip hangs up by itself.
const TALK_S: &str = "3";
/// The destination: SIPp's terminator behind the switch takes it.
const CALLED: &str = "4420790012";

/// A minute of silence as baresip reads it: WAV, 8,000 samples a second of 16 bits, one direction.
fn silence() -> Vec<u8> {
    let data_bytes = 60 * 8_000 * 2_u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data_bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    for half in [1_u16, 1] {
        wav.extend(half.to_le_bytes());
    }
    for word in [8_000_u32, 16_000] {
        wav.extend(word.to_le_bytes());
    }
    for half in [2_u16, 16] {
        wav.extend(half.to_le_bytes());
    }
    wav.extend(b"data");
    wav.extend(data_bytes.to_le_bytes());
    wav.resize(wav.len() + data_bytes as usize, 0);
    wav
}

/// Writes what baresip wants to know into its folder.
fn furnish(folder: &Path, switch: &Switch) {
    let modules = ["g711.so", "aufile.so"].map(|name| format!("module {name}\n")).concat();
    let applications = ["account.so", "menu.so"].map(|name| format!("module_app {name}\n")).concat();
    let (own, here) = (switch.originator(), folder.display());
    let text = format!(
        "sip_listen {own}:5060\nnet_interface {own}\naudio_source aufile,{here}/silence.wav\n\
         audio_player aufile,{here}/heard.wav\naudio_alert aufile,{here}/alert.wav\n\
         module_path /usr/lib/baresip/modules\n{modules}{applications}"
    );
    let files = [
        ("config", text.into_bytes()),
        ("accounts", format!("<sip:12125550100@{own}>;regint=0\n").into_bytes()),
        ("contacts", Vec::new()),
        ("silence.wav", silence()),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).expect("the folder is writable");
    }
}

#[test]
fn baresips_calls_are_carried_recorded_and_charged() {
    let switch = Switch::up(None);
    let folder = switch.folder().join("baresip");
    fs::create_dir(&folder).expect("the folder is writable");
    furnish(&folder, &switch);
    let _terminator = switch.taking(&["-rtp_echo"]);
    for _ in 0..CALLS {
        let mut baresip = Command::new("baresip");
        baresip.arg("-f").arg(&folder).args(["-t", TALK_S, "-e"]);
        baresip.arg(format!("/dial sip:{CALLED}@{}", switch.sip()));
        let ended = baresip.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(ended.expect("baresip is installed by setup/install").success());
    }
    let records = switch.collected(CALLS);
    assert_eq!(records.len(), CALLS);
    for record in &records {
        assert!(record.answered() && record.number("duration_ms") > 1_000, "{record:#?}");
        assert_eq!((record.text("codec"), record.text("calling")), ("PCMU/8000", "12125550100"));
    }
    switch.charged(exact(&records));
}
