//! What keepers tell Prometheus, asked over the network and read as its text format says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::asker::go_to;
use crate::world::{METRICS, World, until};

/// The samples that a node's keeper tells at this moment, by name and labels; `None` while it does not answer.
fn scraped(world: &World, node: u16) -> Option<BTreeMap<String, f64>> {
    let host = world.third().to_owned();
    let ask = move || {
        go_to(&host);
        let mut stream = TcpStream::connect((format!("10.77.0.{node}"), METRICS)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let question =
            "GET /metrics HTTP/1.1\r\nHost: keeper\r\nAccept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n\r\n";
        stream.write_all(question.as_bytes()).ok()?;
        let mut told = String::new();
        stream.read_to_string(&mut told).ok()?;
        Some(told)
    };
    let told = thread::spawn(ask).join().unwrap()?;
    let (head, body) = told.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\ncontent-type: text/plain; version=0.0.4"));
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
    Some(read(body))
}

/// Reads the text format: each family once, announced by HELP and TYPE, its samples right behind.
fn read(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line ends too");
    let (mut samples, mut families) = (BTreeMap::new(), Vec::<String>::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (family, sentence) = help.split_once(' ').unwrap();
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")?.strip_prefix(family)).unwrap().trim();
            assert!(kind == "gauge" || kind == "counter", "{family} is a {kind}");
            assert_eq!(family.ends_with("_total"), kind == "counter", "{family}");
            assert!(family.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{family}");
            assert!(family.starts_with("tandem_keeper_") && sentence.ends_with('.'), "{line}");
            assert!(!families.iter().any(|known| known == family), "{family} is told twice");
            families.push(family.to_owned());
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            assert_eq!(families.last().map(String::as_str), Some(family), "{line} stands below its own family");
            assert!(name == family || name.ends_with("\"}"), "{line}");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line} is told twice");
        }
    }
    samples
}

/// Waits until a node's keeper tells these samples, and returns all of them.
pub fn told(world: &World, node: u16, wanted: &[(&str, f64)]) -> BTreeMap<String, f64> {
    until(&format!("the keeper of node {node} tells {wanted:?}"), || {
        let told = scraped(world, node)?;
        let has = |(name, value): &(&str, f64)| told.get(&format!("tandem_keeper_{name}")) == Some(value);
        wanted.iter().all(has).then_some(told)
    })
}
