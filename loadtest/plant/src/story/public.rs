//! Hosts have a public and a private address: nothing but SIP, media and pages listens on the public one.

use acceptance::until;

use super::{BOOKS_MAX, begun, complain};
use crate::carriers::{Call, Carriers, HOST, Load, hindered};
use crate::layout::{Host, Role};
use crate::listening::Listening;
use crate::site::{MEDIA, PAGES, SIPS, Site};
use crate::table::Row;

/// SIP's ports for peers.
const SIP: [u16; 2] = [5_060, SIPS];

/// While calls with media go through, each host's sockets are looked at, and each of its TCP ports is tried from outside.
pub fn little_is_public(site: &mut Site) -> Row {
    let (name, before) = (site.next_run(), begun(site));
    let load = Load { cps: 20, seconds: 6 };
    let carriers = Carriers::start(site.hosts(), &site.folder(), &name, &format!("{}:5060", site.sip()), load);
    until(BOOKS_MAX, "calls go through", || (begun(site) > before + 40).then_some(()));
    let mut row = Row { fault: "nothing: who listens where is looked at".to_owned(), ..Row::default() };
    let hosts: Vec<Host> = site.layout().hosts().to_vec();
    for host in &hosts {
        let all = site.listening(&host.name);
        let public: Vec<&Listening> = all.iter().filter(|one| one.is_open_at(host.public())).collect();
        let wrong: Vec<&&Listening> = public.iter().filter(|one| !may(host, one)).collect();
        row.flaws.extend(wrong.iter().map(|one| format!("{} listens publicly: {one}", host.name)));
        row.flaws.extend(missing(host, &public));
        let told: Vec<String> = public.iter().map(ToString::to_string).collect();
        eprintln!("  {}: {} sockets, public: {}", host.name, all.len(), told.join(", "));
    }
    let calls = carriers.calls();
    row.planned = calls.len();
    row.answered = calls.iter().filter(|call| call.answered_us.is_some()).count();
    if row.answered != row.planned {
        row.flaws.push(format!("{} of {} calls were answered", row.answered, row.planned));
        row.flaws.extend(hindered(&calls, calls.first().map_or(0, Call::due)));
    }
    for host in &hosts {
        row.flaws.extend(seen_from_outside(site, host));
    }
    complain(site, &row);
    row
}

/// What somebody finds who tries all of a host's TCP ports, by our own eyes and by nmap's; and who speaks TLS with it.
fn seen_from_outside(site: &Site, host: &Host) -> Vec<String> {
    let open = site.open_ports(HOST, host.public());
    eprintln!("  {}: from outside open: {open:?}", host.name);
    let mut flaws: Vec<String> = open
        .iter()
        .filter(|port| !may_tcp(host, **port))
        .map(|port| format!("TCP port {port} of {} is open to the world", host.name))
        .collect();
    match site.open_by_nmap(HOST, host.public()) {
        Some(found) if found == open => eprintln!("  {}: nmap finds the same", host.name),
        Some(found) => flaws.push(format!("nmap finds {found:?} open at {}, not {open:?}", host.name)),
        None => eprintln!("  {}: nmap is not installed: only our own eyes looked", host.name),
    }
    if host.is(Role::Core) {
        flaws.extend(site.speak_tls(HOST, host.public()).err().map(|why| format!("TLS with {}: {why}", host.name)));
    }
    flaws
}

/// What peers and operators need of a host with these roles.
fn may(host: &Host, one: &Listening) -> bool {
    let media = host.is(Role::Core) && one.over == "udp" && (MEDIA.0..=MEDIA.1).contains(&one.port);
    let ours = one.at == host.public().to_string();
    let sip = (host.is(Role::Core) || host.is(Role::Balancer)) && SIP.contains(&one.port);
    ours && (media || sip || (one.over == "tcp" && may_tcp(host, one.port)))
}

fn may_tcp(host: &Host, port: u16) -> bool {
    (host.is(Role::Core) || host.is(Role::Balancer)) && SIP.contains(&port) || host.is(Role::Web) && port == PAGES
}

/// A look that finds nothing proves nothing: what must be there is there.
fn missing(host: &Host, public: &[&Listening]) -> Vec<String> {
    let has = |over: &str, port: u16| public.iter().any(|one| one.over == over && one.port == port);
    let wanted = [
        (host.is(Role::Core) || host.is(Role::Balancer), "udp", SIP[0]),
        (host.is(Role::Core), "tcp", SIP[0]),
        (host.is(Role::Core), "tcp", SIP[1]),
        (host.is(Role::Web), "tcp", PAGES),
    ];
    let gone = wanted.into_iter().filter(|(is, over, port)| *is && !has(over, *port));
    gone.map(|(_, over, port)| format!("{} does not listen at {over} {port}", host.name)).collect()
}
