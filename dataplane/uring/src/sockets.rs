//! The ring's sockets: places in its registered file table, and whether each is listened to.

/// What a socket of datagrams carries; decides the size and number of its receive buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// SIP: few datagrams of up to 64 kB.
    Signal = 0,
    /// RTP and RTCP: many datagrams of up to 2 kB less the address; longer ones are dropped.
    Media = 1,
    /// Media to many of our ports on one socket ([`crate::UdpSocket::steered`]); each datagram says to which.
    Steered = 2,
}

/// A socket of one ring. An id outlives its socket harmlessly: what is asked of a closed socket is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SocketId {
    /// The socket's place in the ring's table, from 0 to `Settings::sockets` - 1; another socket may have it later.
    pub fn place(self) -> usize {
        self.slot as usize
    }
}

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A UDP socket.
    Datagrams(Class),
    /// A TCP socket that accepts connections.
    Listener,
    /// A TCP connection; the ring's table of streams knows the rest.
    Stream,
}

impl Kind {
    /// Which receive buffers the kernel takes for it.
    pub(crate) fn buffers(self) -> usize {
        match self {
            Kind::Datagrams(Class::Signal) => Class::Signal as usize,
            Kind::Datagrams(Class::Media | Class::Steered) => Class::Media as usize,
            Kind::Listener | Kind::Stream => STREAM_BUFFERS,
        }
    }
}

/// The group of receive buffers for streams, behind those of SIP and of media.
pub(crate) const STREAM_BUFFERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    /// Open: a multishot receive or accept is with the kernel, or it is a connection that is being made.
    Listening,
    /// Open, but the kernel ended the receive or accept; it will be ordered again.
    Deaf,
    /// Closed by us; the kernel's last word on its orders has not come.
    Closing,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    state: State,
    generation: u32,
    kind: Kind,
}

/// The table.
pub(crate) struct Sockets {
    places: Box<[Place]>,
    free: Vec<u32>,
    /// Open sockets whose receive must be ordered again.
    pub(crate) deaf: Vec<u32>,
}

impl Sockets {
    pub(crate) fn new(count: u32) -> Sockets {
        let empty = Place { state: State::Free, generation: 0, kind: Kind::Datagrams(Class::Signal) };
        Sockets {
            places: vec![empty; count as usize].into_boxed_slice(),
            free: (0..count).rev().collect(),
            deaf: Vec::with_capacity(count as usize),
        }
    }

    /// Takes a place; the caller fills the file table and orders the receive.
    pub(crate) fn take(&mut self, kind: Kind) -> Option<SocketId> {
        let slot = self.free.pop()?;
        let place = &mut self.places[slot as usize];
        place.generation = place.generation.wrapping_add(1);
        place.kind = kind;
        place.state = State::Deaf;
        Some(SocketId { slot, generation: place.generation })
    }

    /// Is this socket open?
    pub(crate) fn open(&self, id: SocketId) -> bool {
        let place = &self.places[id.slot as usize];
        place.generation == id.generation && matches!(place.state, State::Listening | State::Deaf)
    }

    pub(crate) fn state(&self, slot: u32) -> State {
        self.places[slot as usize].state
    }

    pub(crate) fn set(&mut self, slot: u32, state: State) {
        self.places[slot as usize].state = state;
        if state == State::Free {
            self.free.push(slot);
        }
    }

    pub(crate) fn kind(&self, slot: u32) -> Kind {
        self.places[slot as usize].kind
    }

    pub(crate) fn id(&self, slot: u32) -> SocketId {
        SocketId { slot, generation: self.places[slot as usize].generation }
    }

    /// Places that are free.
    pub(crate) fn room(&self) -> u32 {
        self.free.len() as u32
    }

    /// Places, open or not.
    pub(crate) fn count(&self) -> u32 {
        self.places.len() as u32
    }

    /// How many the kernel still has orders for.
    pub(crate) fn armed(&self) -> usize {
        self.places.iter().filter(|place| matches!(place.state, State::Listening | State::Closing)).count()
    }
}
