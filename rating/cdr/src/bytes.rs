//! Numbers, texts and addresses as bytes, little-endian; lengths stand in front.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use units::{AttemptIndex, CallId, Currency, GrantId, Money, Number};

/// Appends.
pub struct Output<'a>(pub &'a mut Vec<u8>);

macro_rules! numbers {
    ($($name:ident $number:ty;)*) => {
        impl Output<'_> {$(
            #[inline]
            pub fn $name(&mut self, number: $number) -> &mut Self {
                self.0.extend_from_slice(&number.to_le_bytes());
                self
            }
        )*}

        impl Input<'_> {$(
            pub fn $name(&mut self) -> Option<$number> {
                self.chunk().map(<$number>::from_le_bytes)
            }
        )*}
    };
}

numbers! {
    u8 u8;
    u16 u16;
    u32 u32;
    u64 u64;
    i64 i64;
}

impl Output<'_> {
    /// Several numbers at once: room is looked for once.
    #[inline]
    pub fn u64s<const COUNT: usize>(&mut self, numbers: [u64; COUNT]) -> &mut Self {
        self.0.extend_from_slice(numbers.map(u64::to_le_bytes).as_flattened());
        self
    }

    /// As [`Output::u64s`].
    #[inline]
    pub fn u32s<const COUNT: usize>(&mut self, numbers: [u32; COUNT]) -> &mut Self {
        self.0.extend_from_slice(numbers.map(u32::to_le_bytes).as_flattened());
        self
    }

    /// As [`Output::u64s`].
    #[inline]
    pub fn u16s<const COUNT: usize>(&mut self, numbers: [u16; COUNT]) -> &mut Self {
        self.0.extend_from_slice(numbers.map(u16::to_le_bytes).as_flattened());
        self
    }

    #[inline]
    pub fn money(&mut self, money: Money) -> &mut Self {
        self.i64(money.nanos())
    }

    #[inline]
    pub fn blob(&mut self, bytes: &[u8]) -> &mut Self {
        assert!(u32::try_from(bytes.len()).is_ok(), "no field of a record comes near four gigabytes");
        self.u32(bytes.len() as u32).0.extend_from_slice(bytes);
        self
    }

    pub fn call(&mut self, call: CallId) -> &mut Self {
        self.0.extend_from_slice(&call.to_bytes(AttemptIndex(0)));
        self
    }

    pub fn grant(&mut self, grant: GrantId) -> &mut Self {
        self.0.extend_from_slice(&grant.to_bytes());
        self
    }

    #[inline]
    pub fn currency(&mut self, currency: Currency) -> &mut Self {
        self.0.extend_from_slice(&currency.bytes());
        self
    }

    pub fn number(&mut self, number: &Number) -> &mut Self {
        self.u8(number.as_bytes().len() as u8).0.extend_from_slice(number.as_bytes());
        self
    }

    /// A flag, and what it announces.
    #[inline]
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    pub fn address(&mut self, address: SocketAddr) -> &mut Self {
        match address.ip() {
            IpAddr::V4(v4) => self.u8(4).0.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => self.u8(6).0.extend_from_slice(&v6.octets()),
        }
        self.u16(address.port())
    }
}

/// What is still to be read. Every read may find that the bytes end or make no sense.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn chunk<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn money(&mut self) -> Option<Money> {
        self.i64().map(Money::from_nanos)
    }

    pub fn blob(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    pub fn text(&mut self) -> Option<String> {
        core::str::from_utf8(self.blob()?).ok().map(String::from)
    }

    pub fn call(&mut self) -> Option<CallId> {
        let bytes = self.chunk()?;
        let (call, _) = CallId::from_bytes(bytes);
        // Bytes that the id leaves unused are zero.
        (call.to_bytes(AttemptIndex(0)) == bytes).then_some(call)
    }

    pub fn grant(&mut self) -> Option<GrantId> {
        let bytes = self.chunk()?;
        let grant = GrantId::from_bytes(bytes);
        (grant.to_bytes() == bytes).then_some(grant)
    }

    pub fn currency(&mut self) -> Option<Currency> {
        Currency::from_bytes(self.chunk()?)
    }

    pub fn number(&mut self) -> Option<Number> {
        let length = self.u8()?;
        Number::parse(self.take(usize::from(length))?).ok()
    }

    pub fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    /// Counted things; the count is not trusted with memory.
    pub fn list<T>(&mut self, count: usize, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut list = Vec::with_capacity(count.min(self.0.len()).min(64));
        for _ in 0..count {
            list.push(read(self)?);
        }
        Some(list)
    }

    pub fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.u8()? {
            4 => IpAddr::V4(Ipv4Addr::from(self.chunk::<4>()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.chunk::<16>()?)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.u16()?))
    }
}
