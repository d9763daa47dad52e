//! When the kernel received a datagram, in the words of socket(7): a control message with seconds and nanoseconds since 1970.

use std::time::Duration;

/// Bytes of that control message (cmsg(3)): a header of a length, a level and a type, then two numbers.
pub(crate) const BYTES: usize = HEAD + 16;
const HEAD: usize = size_of::<libc::cmsghdr>();

/// Whether control messages begin with one, as the kernel writes it before any other; and those behind it.
pub(crate) fn split(control: &[u8]) -> (bool, &[u8]) {
    let word = |at: usize| Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
    let about = (word(HEAD - 8), word(HEAD - 4));
    match control.get(BYTES..) {
        Some(rest) if about == (Some(libc::SOL_SOCKET), Some(libc::SCM_TIMESTAMPNS)) => (true, rest),
        Some(_) | None => (false, control),
    }
}

/// Reads one.
pub(crate) fn read(control: &[u8]) -> Option<Duration> {
    let number = |at: usize| Some(i64::from_ne_bytes(control.get(at..at + 8)?.try_into().ok()?));
    let nanos = u32::try_from(number(HEAD + 8)?).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(number(HEAD)?).ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_message_that_is_short_or_about_something_else_is_no_stamp() {
        let mut control = (BYTES as u64).to_ne_bytes().to_vec();
        control.extend(libc::SOL_SOCKET.to_ne_bytes());
        control.extend(libc::SCM_TIMESTAMPNS.to_ne_bytes());
        control.extend(7_i64.to_ne_bytes());
        control.extend(9_i64.to_ne_bytes());
        assert_eq!((split(&control), read(&control)), ((true, &[][..]), Some(Duration::new(7, 9))));
        assert!((0..BYTES).all(|length| split(&control[..length]) == (false, &control[..length])));
        assert!((0..BYTES).all(|length| read(&control[..length]).is_none()));
        let followed = [&control[..], &[1, 2, 3]].concat();
        assert_eq!(split(&followed), (true, &[1, 2, 3][..]));
        control[8] ^= 1;
        assert!(!split(&control).0);
        control[8] ^= 1;
        control[BYTES - 1] = 0xff;
        assert_eq!(read(&control), None, "no time is before 1970 or has more than a second's nanoseconds");
    }
}
