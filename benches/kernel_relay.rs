//! The fast path on a cable, all flows joined: what comes to one port leaves from its pair for the peer.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use fastpath::{Count, Counts, FastPath, Flow, Links, Mode, Settings};

use crate::cable::{Cable, PEER, SWITCH};

/// The loaded program; it leaves with this.
pub struct KernelRelay {
    _path: FastPath,
    counts: Counts,
}

impl KernelRelay {
    /// Relays between pairs of neighbours among these ports of the switch; the peer speaks from its port 4000. On XDP the peer's end needs a program
    /// too: see [`listen_in_xdp`].
    pub fn start(cable: &Cable, mode: Mode, ports: &[SocketAddr]) -> KernelRelay {
        meet(cable);
        let low = ports.iter().map(SocketAddr::port).min().expect("some ports");
        let high = ports.iter().map(SocketAddr::port).max().expect("some ports") + 1;
        let settings = Settings { mode, interfaces: vec!["a0".into()], port_low: low, port_high: high };
        let path = FastPath::load(&settings).expect("the kernel takes the program");
        let (mut flows, mut hops) = (path.flows().expect("tables"), path.hops().expect("ways"));
        let own = SWITCH.parse().expect("an address");
        let peer = SocketAddr::new(PEER.parse().expect("an address"), 4_000);
        let (hop, _) = hops.find(own, peer.ip()).expect("room");
        let links = Links::open().expect("netlink");
        // The peer may take a moment to say where it is.
        while hops.tally().0 == 0 {
            hops.refresh(&links).expect("netlink answers");
            std::thread::sleep(Duration::from_millis(5));
        }
        for (place, &local) in ports.iter().enumerate() {
            let (from, types, behind) = (ports[place ^ 1], u128::MAX, false);
            let flow = Flow { local, peer, from, to: peer, class: 0xb8, hop, clock_rate: 8_000, types, behind };
            assert!(flows.join(&flow).expect("joined"), "of one family");
        }
        let counts = path.counts().expect("counts");
        KernelRelay { _path: path, counts }
    }

    /// Packets relayed so far.
    pub fn relayed(&self) -> u64 {
        self.counts.get(Count::Relayed).expect("a count")
    }
}

/// Makes both ends learn each other's link address; the calling thread stands at the switch from now on.
pub fn meet(cable: &Cable) {
    cable.stand_at_switch();
    let socket = UdpSocket::bind((SWITCH, 9)).expect("a port");
    socket.send_to(b"hello", (PEER, 9)).expect("sent");
}

/// Over veth a driver takes packets of XDP only if the other end has a program too: ours, with no flows.
pub fn listen_in_xdp(cable: &Cable) -> FastPath {
    let settings = Settings { mode: Mode::Xdp, interfaces: vec!["a1".into()], port_low: 12_000, port_high: 12_001 };
    let load = || {
        cable.stand_at_peer();
        FastPath::load(&settings).expect("the kernel takes the program")
    };
    std::thread::scope(|scope| scope.spawn(load).join().expect("the peer stands"))
}
