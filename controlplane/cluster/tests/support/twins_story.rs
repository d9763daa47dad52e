//! What goes wrong with two servers that have no third, and when.

use super::chance::Chance;

/// One thing that goes wrong. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The database's process dies.
    KillDatabase(usize),
    /// The whole server dies; it is back after that long, with its disk.
    KillServer(usize, u64),
    /// The server is stopped in order, and is back after that long.
    Stop(usize, u64),
    /// The server stands still, and goes on as if nothing had been.
    Pause(usize, u64),
    /// Nothing goes from this server to the other on one path; replication takes the first.
    CutPath(usize, usize, u64),
    /// Nothing goes from this server to the other.
    CutWay(usize, u64),
    /// Nothing goes either way between the servers; both reach their tie-breakers.
    CutBetween(u64),
    /// The server reaches nobody, and nobody it.
    CutOff(usize, u64),
    /// Nobody answers the server's questions to tie-breakers.
    CutTies(usize, u64),
    /// The database is overloaded: it answers no question, takes no order, and works on.
    Slow(usize, u64),
    /// Beats take seconds.
    Late(u64),
    /// Most beats are lost.
    Lossy(u64),
    /// Somebody sends old beats again.
    Replay(u64),
    /// An operator orders the database to the other node.
    HandOver(usize),
}

/// What becomes of a fence command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// There is none.
    None,
    /// The other server is off after that many milliseconds.
    Works(u64),
    /// It says that it could not.
    Fails,
    /// The other server is off, and the command says so after that many milliseconds: later than it counts.
    Late(u64),
}

/// What a story is to show beyond the promises that always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    Nothing,
    /// The primary is dead or cut off since then, and the other takes over in time.
    TakenOver(u64),
    /// The database stays where it is.
    Stays,
}

/// A run.
pub struct Story {
    pub seed: u64,
    /// When each fault comes, in order.
    pub faults: Vec<(u64, Fault)>,
    pub fence: Fence,
    /// When everything is whole again for good.
    pub healed: u64,
    pub shows: Shows,
}

impl Story {
    pub fn new(seed: u64) -> Story {
        let mut chance = Chance::new(seed ^ 0x7719);
        let long = chance.between(200, 30_000);
        let fence = match chance.between(0, 6) {
            0..3 => Fence::None,
            3 => Fence::Works(chance.between(100, 2_400)),
            4 => Fence::Fails,
            _ => Fence::Late(chance.between(5_000, 20_000)),
        };
        let at = chance.between(30_000, 60_000);
        let (faults, fence, shows) = match chance.between(0, 15) {
            0 => (vec![(at, Fault::CutPath(0, 1, 60_000)), (at, Fault::CutPath(1, 1, 60_000))], fence, Shows::Stays),
            1 => (vec![(at, Fault::Slow(0, 6_000)), (at, Fault::Slow(1, 6_000))], fence, Shows::Stays),
            2 => {
                let why = if chance.percent(50) { Fault::KillServer(0, 60_000) } else { Fault::CutOff(0, 60_000) };
                (vec![(at - 5_000, Fault::Replay(120_000)), (at, why)], fence, Shows::TakenOver(at))
            }
            // Without the replica the primary goes on only where a fence command works, or where the replica said that it would go.
            3 => (vec![(at, Fault::KillServer(1, 40_000))], Fence::Works(long % 2_400), Shows::Stays),
            4 => (vec![(at, Fault::Stop(1, 40_000))], fence, Shows::Stays),
            // Only the cable between the servers is left to the primary.
            5 => (Story::unreached(at), fence, Shows::TakenOver(at)),
            6 => (Story::cut_and_crash(&mut chance, at), fence, Shows::Nothing),
            7 => (Story::shaken(&mut chance, at), fence, Shows::Nothing),
            _ => (Story::any(&mut chance), fence, Shows::Nothing),
        };
        Story { seed, faults, fence, healed: 180_000, shows }
    }

    fn unreached(at: u64) -> Vec<(u64, Fault)> {
        let long = 60_000;
        let cut = [Fault::CutPath(0, 0, long), Fault::CutPath(1, 0, long), Fault::CutTies(0, long)];
        cut.map(|fault| (at, fault)).to_vec()
    }

    /// The servers lose each other, and one that knows no better is started again while the other went on alone.
    fn cut_and_crash(chance: &mut Chance, at: u64) -> Vec<(u64, Fault)> {
        let node = chance.between(0, 2) as usize;
        let crash = at + chance.between(0, 20_000);
        let mut faults = vec![(at, Fault::CutBetween(chance.between(10_000, 90_000)))];
        faults.push((crash, Fault::KillServer(node, chance.between(100, 5_000))));
        if chance.percent(50) {
            // What the other said before it went on alone comes once more.
            faults.push((crash, Fault::Replay(60_000)));
        }
        if chance.percent(50) {
            faults.push((crash + chance.between(0, 20_000), Fault::KillServer(1 - node, chance.between(100, 5_000))));
        }
        faults.sort_by_key(|(at, _)| *at);
        faults
    }

    /// Writes of all kinds while one way is cut again and again, so that pages differ by one.
    fn shaken(chance: &mut Chance, at: u64) -> Vec<(u64, Fault)> {
        let mut faults = vec![];
        for step in 0..6 {
            let at = at + step * 9_000 + chance.between(0, 4_000);
            let node = chance.between(0, 2) as usize;
            faults.push((at, Fault::CutPath(1 - node, 0, chance.between(2_000, 9_000))));
            faults.push((at + chance.between(0, 6_000), Fault::CutWay(node, chance.between(500, 20_000))));
            if chance.percent(30) {
                faults.push((at + chance.between(0, 3_000), Fault::HandOver(step as usize % 2)));
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        faults
    }

    fn any(chance: &mut Chance) -> Vec<(u64, Fault)> {
        // Often close to one another: the second fault meets the first one's cure.
        let burst = chance.percent(50).then(|| chance.between(15_000, 120_000));
        let mut faults: Vec<(u64, Fault)> = (0..chance.between(1, 7))
            .map(|_| {
                let at = burst.map_or(chance.between(15_000, 140_000), |at| at + chance.between(0, 15_000));
                (at, Story::fault(chance))
            })
            .collect();
        faults.sort_by_key(|(at, _)| *at);
        faults
    }

    fn fault(chance: &mut Chance) -> Fault {
        let node = chance.between(0, 2) as usize;
        let long = chance.between(200, 30_000);
        match chance.between(0, 18) {
            0 | 1 => Fault::KillDatabase(node),
            2 | 3 => Fault::KillServer(node, long),
            4 => Fault::Stop(node, long),
            5 => Fault::Pause(node, long),
            6 => Fault::CutPath(node, chance.between(0, 2) as usize, long),
            7 => Fault::CutWay(node, long),
            8 | 9 => Fault::CutBetween(long),
            10 => Fault::CutOff(node, long),
            11 => Fault::CutTies(node, long),
            12 => Fault::Slow(node, long),
            13 => Fault::Late(long),
            14 => Fault::Lossy(long),
            15 => Fault::Replay(long),
            _ => Fault::HandOver(node),
        }
    }
}
