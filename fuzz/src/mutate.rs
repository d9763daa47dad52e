//! Inputs from seeds and chance: the same seed makes the same inputs on every machine.

/// A random source (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.any() % end as u64) as usize }
    }
}

/// Pieces that grammars turn on.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\r\n ",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b";",
    b",",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"[",
    b"]",
    b"@",
    b":",
    b"=",
    b"%",
    b"sip:",
    b"tel:+",
    b"SIP/2.0",
    b"INVITE",
    b"ACK",
    b"BYE",
    b"Via: ",
    b"v: ",
    b"Content-Length: 0",
    b"l: 4294967296",
    b";tag=",
    b";branch=z9hG4bK",
    b";received=",
    b";rport",
    b"-1",
    b"0",
    b"65536",
    b"4294967295",
    b"18446744073709551616",
    b"999999999999999999999999",
    b"m=audio 0 RTP/AVP 8\r\n",
    b"c=IN IP4 0.0.0.0\r\n",
    b"a=rtpmap:",
    b"\xff\xfe",
    b"\xc3\x28",
    b"Digest ",
    b"realm=\"",
    b"nonce=\"",
    b"qop=\"auth,auth-int\"",
    b"::1",
    b"[::ffff:127.0.0.1]",
];
/// Longest input in bytes.
const BYTES_MAX: usize = 16 << 10;

/// One of the seeds with a few changes.
pub fn input(chance: &mut Chance, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[chance.below(seeds.len())].clone();
    for _ in 0..chance.below(6) {
        change(chance, seeds, &mut bytes);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn change(chance: &mut Chance, seeds: &[Vec<u8>], bytes: &mut Vec<u8>) {
    let at = chance.below(bytes.len() + 1);
    let scale = chance.below(8);
    let end = (at + chance.below(1 << scale)).min(bytes.len());
    match chance.below(9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
        1 if at < bytes.len() => bytes[at] = chance.any() as u8,
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copy = bytes[at..end].to_vec();
            let place = chance.below(bytes.len() + 1);
            bytes.splice(place..place, copy);
        }
        4 => drop(bytes.splice(at..at, PIECES[chance.below(PIECES.len())].iter().copied())),
        5 => drop(bytes.splice(at..end, PIECES[chance.below(PIECES.len())].iter().copied())),
        6 => {
            let other = &seeds[chance.below(seeds.len())];
            let from = chance.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        7 => bytes.truncate(at),
        _ => {
            let many = bytes.get(at..end).map(<[u8]>::to_vec).unwrap_or_default().repeat(1 + chance.below(40));
            bytes.splice(at..end, many);
        }
    }
}
