//! baresip, unmodified, as an originator with real media.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::{PATIENCE, signal, until};

/// The number that baresip calls from.
pub const CALLING: &str = "12125550100";

/// Seconds after which baresip would end if nobody told it to.
const ALONE_S: &str = "200";

/// Samples as baresip reads them: WAV, 8,000 a second of 16 bits, one direction.
fn wav(samples: &[i16]) -> Vec<u8> {
    let data_bytes = 2 * samples.len() as u32;
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
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}

/// Writes what baresip wants to know into a folder of its own: `uri_params` stand behind its address, `lines` are settings besides.
pub fn furnish(parent: &Path, own: Ipv4Addr, uri_params: &str, lines: &str) -> PathBuf {
    let folder = parent.join("baresip");
    fs::create_dir(&folder).expect("the folder is writable");
    let modules = ["g711.so", "aufile.so"].map(|name| format!("module {name}\n")).concat();
    let applications = ["account.so", "menu.so"].map(|name| format!("module_app {name}\n")).concat();
    let here = folder.display();
    let text = format!(
        "sip_listen {own}:0\nnet_interface {own}\naudio_source aufile,{here}/silence.wav\n\
         audio_player aufile,{here}/heard.wav\naudio_alert aufile,{here}/alert.wav\n\
         module_path /usr/lib/baresip/modules\n{modules}{applications}{lines}"
    );
    let files = [
        ("config", text.into_bytes()),
        ("accounts", format!("<sip:{CALLING}@{own}{uri_params}>;regint=0\n").into_bytes()),
        ("contacts", Vec::new()),
        // A minute of silence.
        ("silence.wav", wav(&[0; 60 * 8_000])),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).expect("the folder is writable");
    }
    folder
}

/// Places a call and releases it once enough was heard of it.
///
/// # Panics
/// When that does not come.
pub fn call(folder: &Path, uri: &str, mut enough: impl FnMut() -> bool) {
    let mut baresip = Command::new("baresip");
    baresip.arg("-f").arg(folder).args(["-t", ALONE_S, "-e"]).arg(format!("/dial {uri}"));
    let log = fs::File::create(folder.join("log")).expect("the folder is writable");
    baresip.stdin(Stdio::null()).stdout(log.try_clone().expect("a file can be named twice")).stderr(log);
    let mut baresip = baresip.spawn().expect("baresip is installed by setup/install");
    let said = || fs::read_to_string(folder.join("log")).unwrap_or_default();
    until(PATIENCE, "enough was heard of the call", || {
        let ended = baresip.try_wait().expect("baresip was started here");
        assert!(ended.is_none(), "baresip stays: {}", said());
        enough().then_some(())
    });
    // It hangs up before it goes.
    signal(baresip.id(), Signal::INT);
    let ended = baresip.wait().expect("baresip was started here");
    assert!(ended.success(), "{ended}: {}", said());
}
