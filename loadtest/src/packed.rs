//! Files that are packed as they grow: frames of zstd (RFC 8878) one behind the other, as every program for such files reads them.

use std::io::{self, Read, Write};
use std::path::Path;

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// What is packed together: a run that is ended in its middle has lost no more than this.
const FRAME_BYTES: usize = 1 << 20;
/// RFC 8878 §3.1.1: how a frame begins.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Bytes that an unpacked file has at most: a small file may hold very much.
const UNPACKED_MAX: u64 = 8 << 30;

/// Whether a file of this name is to be packed.
pub fn is_meant(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("zst"))
}

/// Whether these bytes are packed.
pub fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Packs what is written.
pub struct Writer<W: Write> {
    out: W,
    waiting: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Into this.
    pub fn new(out: W) -> Writer<W> {
        Writer { out, waiting: Vec::with_capacity(FRAME_BYTES) }
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= FRAME_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            let frame = compress_to_vec(self.waiting.as_slice(), CompressionLevel::Fastest);
            self.waiting.clear();
            self.out.write_all(&frame)?;
        }
        self.out.flush()
    }
}

/// What was packed.
pub fn unpacked(mut bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let frame = StreamingDecoder::new(&mut bytes).map_err(io::Error::other)?;
        let left = UNPACKED_MAX - out.len() as u64;
        if frame.take(left).read_to_end(&mut out)? as u64 == left {
            return Err(io::Error::other("it is too large when it is unpacked"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn lines(count: u32) -> Vec<u8> {
        (0..count)
            .flat_map(|nth| format!("{{\"place\":{nth},\"called\":\"{}\"}}\n", nth * 7_919).into_bytes())
            .collect()
    }

    #[test]
    fn what_was_packed_is_the_same_again_and_so_for_zstd() {
        for count in [0, 1, 100_000] {
            let text = lines(count);
            let mut file = Vec::new();
            let mut writer = Writer::new(&mut file);
            text.chunks(1_000).for_each(|part| writer.write_all(part).expect("memory"));
            writer.flush().expect("memory");
            assert!(count < 2 || (is(&file) && file.len() * 2 < text.len()), "{} of {}", file.len(), text.len());
            assert_eq!(unpacked(&file).expect("it is whole"), text);
            let mut zstd = Command::new("zstd");
            zstd.args(["-dc"]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut zstd = zstd.spawn().expect("zstd is installed");
            let mut pipe = zstd.stdin.take().expect("a pipe");
            let feeding = std::thread::spawn(move || pipe.write_all(&file));
            let output = zstd.wait_with_output().expect("it ends");
            feeding.join().expect("a thread").expect("it reads");
            assert!(output.stdout == text, "{count} lines");
        }
    }

    #[test]
    fn what_is_cut_off_or_none_is_told() {
        let file = compress_to_vec(lines(100).as_slice(), CompressionLevel::Fastest);
        assert!(unpacked(&file[..file.len() / 2]).is_err());
        assert!(unpacked(b"nothing").is_err());
        assert!(is_meant(Path::new("a/calls.ndjson.zst")) && !is_meant(Path::new("a/calls.ndjson")));
    }
}
