//! What goes wrong, and when.

use super::chance::Chance;

/// One thing that goes wrong. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The database's process dies.
    KillDatabase(usize),
    /// Keeper and database die; the node is back after that long.
    KillNode(usize, u64),
    /// The node stands still, and goes on as if nothing had been.
    Pause(usize, u64),
    /// Nothing goes from this node to the other one.
    CutCable(usize, u64),
    /// Nothing goes either way between the nodes.
    CutBoth(u64),
    /// Nothing goes from the node to the arbiter, or back.
    CutArbiter(usize, bool, u64),
    /// Nothing goes between the node and the arbiter.
    Lonely(usize, u64),
    /// The arbiter answers nobody.
    ArbiterAway(u64),
    /// The database is overloaded: it answers no question, takes no order, and works on.
    Slow(usize, u64),
    /// The database applies nothing of what it receives.
    Lags(usize, u64),
    /// Messages to and from the arbiter take seconds.
    Late(u64),
    /// An operator orders the database to the other node.
    HandOver(usize),
}

/// A run.
pub struct Story {
    pub seed: u64,
    /// When each fault comes, in order.
    pub faults: Vec<(u64, Fault)>,
    /// When everything is whole again for good.
    pub healed: u64,
    /// Nothing but overload: nobody may lose the database by it.
    pub only_slow: bool,
}

impl Story {
    pub fn new(seed: u64) -> Story {
        let mut chance = Chance::new(seed);
        let kind = chance.between(0, 12);
        let only_slow = kind == 0;
        let count = chance.between(1, 7);
        // Often close to one another: the second fault meets the first one's cure.
        let burst = chance.percent(50).then(|| chance.between(15_000, 120_000));
        let mut faults: Vec<(u64, Fault)> = (0..count)
            .map(|_| {
                let at = burst.map_or(chance.between(15_000, 140_000), |at| at + chance.between(0, 15_000));
                let fault = match kind {
                    0 => Story::slow(&mut chance),
                    1 | 2 => Story::moved(&mut chance),
                    3 => Story::unheard(&mut chance),
                    _ => Story::fault(&mut chance),
                };
                (at, fault)
            })
            .collect();
        if kind == 2 {
            // One order after the other while answers come late, or too late.
            let at = chance.between(20_000, 100_000);
            faults = (0..5).map(|order| (at + order * 7_000, Fault::HandOver((order % 2) as usize))).collect();
            faults.push((at - 500, Fault::Late(40_000)));
        }
        if kind == 3 && chance.percent(50) {
            // The last answer before the holder is cut off was a late one.
            let at = chance.between(20_000, 100_000);
            faults = vec![(at, Fault::Late(12_000)), (at + chance.between(3_000, 12_000), Fault::Lonely(0, 25_000))];
        }
        if kind == 4 {
            faults = Story::behind(&mut chance);
        }
        faults.sort_by_key(|(at, _)| *at);
        Story { seed, faults, healed: 180_000, only_slow }
    }

    /// A replica has received what it has not applied, and both databases die, one soon after the other.
    fn behind(chance: &mut Chance) -> Vec<(u64, Fault)> {
        let at = chance.between(20_000, 100_000);
        let first = at + chance.between(500, 4_000);
        let second = first + chance.between(0, 3_000);
        let (one, other) = if chance.percent(70) { (0, 1) } else { (1, 0) };
        vec![(at, Fault::Lags(1, 12_000)), (first, Fault::KillDatabase(one)), (second, Fault::KillDatabase(other))]
    }

    /// Orders to move the database, while messages come late and processes die.
    fn moved(chance: &mut Chance) -> Fault {
        let node = chance.between(0, 2) as usize;
        match chance.between(0, 5) {
            0 | 1 => Fault::HandOver(node),
            2 | 3 => Fault::Late(chance.between(1_000, 30_000)),
            _ => Fault::KillDatabase(node),
        }
    }

    /// Trouble between the nodes and the arbiter alone.
    fn unheard(chance: &mut Chance) -> Fault {
        let node = chance.between(0, 2) as usize;
        let long = chance.between(1_000, 30_000);
        match chance.between(0, 5) {
            0 | 1 => Fault::Late(long),
            2 => Fault::CutArbiter(node, chance.percent(50), long),
            3 => Fault::Lonely(node, long),
            _ => Fault::ArbiterAway(long),
        }
    }

    fn slow(chance: &mut Chance) -> Fault {
        Fault::Slow(chance.between(0, 2) as usize, chance.between(500, 6_000))
    }

    fn fault(chance: &mut Chance) -> Fault {
        let node = chance.between(0, 2) as usize;
        let long = chance.between(200, 30_000);
        match chance.between(0, 13) {
            0 | 1 => Fault::KillDatabase(node),
            2 => Fault::KillNode(node, long),
            3 => Fault::Pause(node, long),
            4 | 5 => Fault::CutCable(node, long),
            6 => Fault::CutBoth(long),
            7 => Fault::CutArbiter(node, chance.percent(50), long),
            8 => Fault::ArbiterAway(long),
            9 => Fault::Slow(node, long),
            10 => Fault::Late(long),
            11 => Fault::Lonely(node, long),
            _ => Fault::HandOver(node),
        }
    }
}
