//! Where a call's messages go: another side (`setdest`), and another socket or connection (`closecon`).

use std::net::{SocketAddr, ToSocketAddrs};

use super::Call;
use crate::sipp::template::Template;
use crate::sipp::wire::Way;
use crate::sipp::world::World;

impl Call {
    /// Its messages go there from now on; a connection of its own is made anew.
    pub(super) fn redirect(&mut self, host: &Template, port: &Template, protocol: &Template, world: &mut World) {
        let [host, port, protocol] = [host, port, protocol].map(|text| self.text(text, world).trim().to_owned());
        if !protocol.eq_ignore_ascii_case(world.options.transport.name()) {
            return self.break_off("Can not switch protocols during setdest.", world);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse::<f64>().ok().filter(|port| (1.0..65_536.0).contains(port)).map(|port| port as u16);
        let to = port.and_then(|port| (bare, port).to_socket_addrs().ok()?.next());
        match to {
            Some(to) if !to.ip().is_loopback() && !world.options.allow_target => {
                self.break_off(
                    &format!("setdest: {to} is not this machine: -allow_target says that it may be loaded"),
                    world,
                );
            }
            Some(to) => self.turn_to(to, world),
            None => self.break_off(&format!("Unknown host '{host}' or port for setdest"), world),
        }
    }

    fn turn_to(&mut self, to: SocketAddr, world: &mut World) {
        (self.birth.peer, self.redirected) = (to, true);
        if let Way::Stream(_) = self.birth.way {
            self.close(world);
        }
    }

    /// Its own socket or connection is closed.
    pub(super) fn close(&mut self, world: &mut World) {
        world.wire.close(std::mem::replace(&mut self.birth.way, Way::None));
    }

    /// Opens another one where it was closed; false if there is none to be had. Who is called opens none.
    pub(super) fn reopen(&mut self, to: SocketAddr, world: &mut World) -> bool {
        if self.birth.way != Way::None {
            return true;
        }
        if !self.birth.own_way {
            return false;
        }
        let local = self.birth.local;
        let opened = match world.options.transport.datagrams() {
            true => world.wire.open_one(SocketAddr::new(local, 0)).map(|(way, port)| {
                self.birth.port = port;
                way
            }),
            false => world.wire.connect(local, to),
        };
        if let Ok(way) = opened {
            self.birth.way = way;
        }
        self.birth.way != Way::None
    }
}
