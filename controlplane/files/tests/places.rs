//! What names a place, and what does not.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use files::{Kind, Name, Place};

#[test]
fn a_place_is_a_folder_a_peer_or_a_bucket() {
    let bucket = |bucket: &str, prefix: &str| Place::Bucket { bucket: bucket.into(), prefix: prefix.into() };
    let rows = [
        ("/mnt/nfs/calls", Place::Folder("/mnt/nfs/calls".into())),
        ("rsync://10.0.0.2/tandem", Place::Peer("rsync://10.0.0.2/tandem".into())),
        ("rsync://[fd00::2]:8730/tandem/a", Place::Peer("rsync://[fd00::2]:8730/tandem/a".into())),
        ("tandem@node-2:/var/lib/tandem/peers", Place::Peer("tandem@node-2:/var/lib/tandem/peers".into())),
        ("node-2:peers", Place::Peer("node-2:peers".into())),
        ("[fd00::2]:peers", Place::Peer("[fd00::2]:peers".into())),
        ("s3://calls", bucket("calls", "")),
        ("s3://calls/node-1/", bucket("calls", "node-1")),
    ];
    for (text, wanted) in rows {
        assert_eq!(text.parse::<Place>().as_ref(), Ok(&wanted), "{text}");
        assert_eq!(wanted.to_string().parse(), Ok(wanted), "{text}");
    }
}

#[test]
fn other_words_are_refused() {
    let long = format!("/{}", "x".repeat(300));
    let rows = [
        "",
        "calls",
        "./calls",
        "--daemon",
        "-e sh:x",
        "host:",
        ":path",
        "host::module",
        "host:-x",
        "a b:path",
        "/a b",
        "rsync://host",
        "rsync:///module",
        "s3://",
        "s3:///x",
        "s3://a b",
        "s3://a/../b",
        "s3://..",
        "s3://a/b//c",
        "/a\nb",
        "http://host/x",
        &long,
    ];
    for text in rows {
        let told = text.parse::<Place>().unwrap_err().to_string();
        assert!(told.contains("names no place"), "{text}: {told}");
    }
}

#[test]
fn only_finished_files_of_calls_have_a_name() {
    let call = "0123456789abcdef0123456789ab0000";
    let name = Name::read(Kind::Recording, &format!("{call}.wav")).unwrap();
    assert_eq!(name.to_string(), format!("recordings/{call}.wav"));
    let others = [format!("{call}.wav.part"), format!("{call}.pcapng"), call.to_owned(), "x.wav".into(), ".wav".into()];
    for entry in others.iter().map(String::as_str).chain([&*format!("{}.wav", call.to_uppercase())]) {
        assert_eq!(Name::read(Kind::Recording, entry), None, "{entry}");
    }
}
