//! Histograms as files that every HdrHistogram tool reads: one `.hlog` a latency, values in nanoseconds.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, IntervalLogWriterBuilder, LogEntry};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::tally::Latencies;

/// Writes every latency that has values into this folder.
pub fn write(folder: &Path, latencies: &Latencies, began: SystemTime, long: Duration) -> Result<()> {
    for (name, values) in latencies.each() {
        if values.is_empty() {
            continue;
        }
        let path = folder.join(format!("{name}.hlog"));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let (mut out, mut serializer) = (BufWriter::new(file), V2DeflateSerializer::new());
        let failed = || format!("cannot write {}", path.display());
        IntervalLogWriterBuilder::new()
            .add_comment(&format!("[tandem-loadtest: {name}, nanoseconds]"))
            .with_start_time(began)
            .with_base_time(began)
            .with_max_value_divisor(1_000_000.0)
            .begin_log_with(&mut out, &mut serializer)
            .with_context(failed)?
            .write_histogram(values, Duration::ZERO, long, None)
            .map_err(|error| anyhow!("{}: {error:?}", failed()))?;
    }
    Ok(())
}

/// Reads a file back: all its intervals in one histogram.
pub fn read(path: &Path) -> Result<Histogram<u64>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut all = crate::tally::empty();
    for entry in IntervalLogIterator::new(&bytes) {
        let LogEntry::Interval(interval) = entry.map_err(|error| anyhow!("{}: {error:?}", path.display()))? else {
            continue;
        };
        let packed = base64(interval.encoded_histogram()).with_context(|| format!("{}: no base64", path.display()))?;
        let part: Histogram<u64> = Deserializer::new()
            .deserialize(&mut packed.as_slice())
            .map_err(|error| anyhow!("{}: {error:?}", path.display()))?;
        all.add(part).map_err(|error| anyhow!("{}: {error:?}", path.display()))?;
    }
    Ok(all)
}

/// Base64 as RFC 4648 §4 writes it; the reader of logs leaves it to us.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut word = 0;
        for byte in group {
            word = word << 6 | digit(*byte)?;
        }
        word <<= 6 * (4 - group.len());
        out.extend_from_slice(&word.to_be_bytes()[1..group.len().max(1)]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut latencies = Latencies::default();
        (1..=5_000_u64).for_each(|nth| latencies.answer.saturating_record(nth * nth * 37));
        write(folder.path(), &latencies, SystemTime::now(), Duration::from_secs(3)).expect("files");
        let read = read(&folder.path().join("answer.hlog")).expect("a histogram");
        assert_eq!(read, latencies.answer);
        assert!(!folder.path().join("bye.hlog").exists());
    }
}
