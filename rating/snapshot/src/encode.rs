//! A model becomes bytes.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::crc64::crc64;
use crate::flaw::ModelFlaw;
use crate::layout::{self, FORMAT, MAGIC, SECTIONS, Section, header};
use crate::model::{Deck, Model};
use crate::pack::{Bucket, Line, Packed, pack};
use crate::view::{address_bytes, masked};

impl Model {
    /// The bytes of the snapshot file, or the first object that is wrong and why. The same model gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ModelFlaw> {
        self.check()?;
        let mut file = File::new(self);
        file.carriers(self);
        file.ingress_trunks(self);
        file.egress_trunks(self);
        file.plans(self);
        file.decks(self)?;
        Ok(file.close())
    }
}

/// A row of little-endian numbers.
#[derive(Default)]
struct Row(Vec<u8>);

macro_rules! puts {
    ($($name:ident $number:ty;)*) => {
        impl Row {$(
            fn $name(&mut self, number: $number) -> &mut Row {
                self.0.extend_from_slice(&number.to_le_bytes());
                self
            }
        )*}
    };
}

puts! {
    u8 u8;
    u16 u16;
    i16 i16;
    u32 u32;
    u64 u64;
    i64 i64;
}

impl Row {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Row {
        self.0.extend_from_slice(bytes);
        self
    }

    fn place(&mut self, (offset, length): (u32, u32)) -> &mut Row {
        self.u32(offset).u32(length)
    }

    fn flag(&mut self, flag: bool) -> &mut Row {
        self.u8(u8::from(flag))
    }
}

/// Texts, each kept once.
#[derive(Default)]
struct Strings {
    bytes: Vec<u8>,
    places: HashMap<String, (u32, u32)>,
    /// The text asked for last: neighbours in a deck share their destination.
    last: (String, (u32, u32)),
}

impl Strings {
    fn keep(&mut self, text: &str) -> (u32, u32) {
        if text.is_empty() {
            return (0, 0);
        }
        if self.last.0 == text {
            return self.last.1;
        }
        let place = match self.places.get(text) {
            Some(place) => *place,
            None => {
                let place = (self.bytes.len() as u32, text.len() as u32);
                self.bytes.extend_from_slice(text.as_bytes());
                self.places.insert(text.to_string(), place);
                place
            }
        };
        self.last = (text.to_string(), place);
        place
    }
}

struct File {
    head: Row,
    sections: Vec<Row>,
    strings: Strings,
    /// Tables of decks, in file order; their offsets count from the end of the sections.
    tables: Vec<Row>,
}

impl File {
    fn new(model: &Model) -> File {
        let mut head = Row::default();
        head.bytes(&MAGIC).u32(FORMAT).u32(header::SIZE as u32).u64(0).u64(0);
        head.u64(model.revision.0).i64(model.built.micros());
        let sections = SECTIONS.iter().map(|_| Row::default()).collect();
        File { head, sections, strings: Strings::default(), tables: Vec::new() }
    }

    /// Writes one record of a section.
    fn record(&mut self, section: Section, write: impl FnOnce(&mut Row, &mut Strings)) {
        let row = &mut self.sections[section.place];
        let start = row.0.len();
        write(row, &mut self.strings);
        assert_eq!(row.0.len() - start, section.size, "a record of {} has the size of its layout", section.name);
    }

    fn carriers(&mut self, model: &Model) {
        let mut carriers: Vec<_> = model.carriers.iter().collect();
        carriers.sort_by_key(|carrier| carrier.id);
        for carrier in carriers {
            self.record(layout::CARRIERS, |row, strings| {
                row.u32(carrier.id.0).place(strings.keep(&carrier.code)).flag(carrier.blocked).bytes(&[0; 3]);
            });
        }
        let mut accounts: Vec<_> = model.accounts.iter().collect();
        accounts.sort_by_key(|account| account.id);
        for account in accounts {
            self.record(layout::ACCOUNTS, |row, _| {
                row.u32(account.id.0).u32(account.carrier.0).bytes(&account.currency.bytes()).u8(0);
            });
        }
    }

    fn ingress_trunks(&mut self, model: &Model) {
        let mut trunks: Vec<_> = model.ingress_trunks.iter().collect();
        trunks.sort_by_key(|trunk| trunk.id);
        let mut sources = Vec::new();
        for (place, trunk) in trunks.iter().enumerate() {
            for source in &trunk.sources {
                let (bytes, family) = address_bytes(source.network);
                let network = masked(bytes, source.bits);
                sources.push((family, u8::MAX - source.bits, network, place as u32, source.port));
            }
            self.record(layout::INGRESS, |row, strings| {
                row.u32(trunk.id.0).place(strings.keep(&trunk.code)).u32(trunk.carrier.0).u32(trunk.account.0);
                row.place(strings.keep(&trunk.tech_prefix)).u32(trunk.plan.0).u32(trunk.sell_deck.0);
                row.u32(trunk.capacity).u32(trunk.cps).u32(trunk.max_duration_s).u16(trunk.media_timeout_s);
                row.flag(trunk.active).u8(0).place(strings.keep(&trunk.policy.to_text()));
            });
        }
        sources.sort_unstable();
        sources.dedup();
        self.gates(&sources);
    }

    /// Sources by longest network first, and one gate for each length.
    fn gates(&mut self, sources: &[(u8, u8, [u8; 16], u32, u16)]) {
        let mut first = 0;
        for run in sources.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (family, bits) = (run[0].0, u8::MAX - run[0].1);
            self.record(layout::GATES, |row, _| {
                row.u32(first).u32(run.len() as u32).u8(bits).u8(family).u16(0);
            });
            first += run.len() as u32;
            for (_, _, network, trunk, port) in run {
                self.record(layout::SOURCES, |row, _| {
                    row.bytes(network).u32(*trunk).u16(*port).u8(bits).u8(family);
                });
            }
        }
    }

    fn egress_trunks(&mut self, model: &Model) {
        let mut trunks: Vec<_> = model.egress_trunks.iter().collect();
        trunks.sort_by_key(|trunk| trunk.id);
        for trunk in trunks {
            let (address, family) = address_bytes(trunk.address.ip());
            self.record(layout::EGRESS, |row, strings| {
                row.u32(trunk.id.0).place(strings.keep(&trunk.code)).u32(trunk.carrier.0).u32(trunk.account.0);
                row.bytes(&address).u16(trunk.address.port()).u8(family).u8(trunk.strip_digits);
                row.place(strings.keep(&trunk.add_prefix)).u32(trunk.buy_deck.0).u32(trunk.capacity).u32(trunk.cps);
                row.u16(trunk.progress_timeout_s).u16(trunk.ring_timeout_s).flag(trunk.active).bytes(&[0; 3]);
                row.place(strings.keep(&trunk.policy.to_text()));
            });
        }
    }

    fn plans(&mut self, model: &Model) {
        let mut plans: Vec<_> = model.plans.iter().collect();
        plans.sort_by_key(|plan| plan.id);
        let mut first = 0;
        for plan in plans {
            self.record(layout::PLANS, |row, strings| {
                row.u32(plan.id.0).place(strings.keep(&plan.code)).i64(plan.margin_min.nanos());
                row.u16(plan.setup_timeout_s).u8(plan.order as u8).u8(plan.attempts_max);
                row.u32(first).u32(plan.routes.len() as u32).place(strings.keep(&plan.policy.to_text()));
            });
            first += plan.routes.len() as u32;
            for route in &plan.routes {
                self.record(layout::ROUTES, |row, _| {
                    row.u32(route.egress_trunk.0)
                        .i16(route.priority)
                        .u16(route.weight)
                        .u8(route.percent)
                        .bytes(&[0; 3]);
                });
            }
        }
    }

    fn decks(&mut self, model: &Model) -> Result<(), ModelFlaw> {
        let mut decks: Vec<&Deck> = model.decks.iter().collect();
        decks.sort_by_key(|deck| deck.id);
        for deck in decks {
            let packed = {
                let strings = &mut self.strings;
                pack(deck, &mut |text| strings.keep(text))?
            };
            let places = self.tables(&packed);
            self.record(layout::DECKS, |row, strings| {
                row.u32(deck.id.0).place(strings.keep(&deck.code)).bytes(&deck.currency.bytes()).u8(deck.decimals);
                row.u8(deck.rounding as u8).u8(packed.depth as u8).u16(0).u32(packed.reach);
                for place in places {
                    row.u64(place);
                }
                row.u32(packed.key_count).u32(packed.buckets.len() as u32).u32(packed.wide.len() as u32);
                row.u32(packed.dated.len() as u32).u32(packed.lines.len() as u32);
            });
        }
        Ok(())
    }

    /// Appends a deck's tables and tells where each stands, counted from the first table.
    fn tables(&mut self, packed: &Packed) -> [u64; 6] {
        let [mut buckets, mut slots, mut wide_keys, mut wide_lines, mut dated, mut lines] =
            [const { Row(Vec::new()) }; 6];
        for bucket in &packed.buckets {
            buckets.bucket(bucket);
        }
        for slot in &packed.slots {
            slots.u16(*slot);
        }
        for (key, line) in &packed.wide {
            wide_keys.bytes(&key.to_le_bytes());
            wide_lines.u32(*line);
        }
        for number in &packed.dated {
            dated.u32(*number);
        }
        for line in &packed.lines {
            lines.line(line);
        }
        [buckets, slots, wide_keys, wide_lines, dated, lines].map(|row| self.table(row))
    }

    fn table(&mut self, mut row: Row) -> u64 {
        let place = self.tables.iter().map(|row| row.0.len() as u64).sum();
        align(&mut row.0);
        self.tables.push(row);
        place
    }

    fn close(mut self) -> Vec<u8> {
        self.sections[layout::STRINGS.place].0 = core::mem::take(&mut self.strings.bytes);
        let mut at = header::SIZE;
        for (section, row) in SECTIONS.iter().zip(&mut self.sections) {
            let count = row.0.len() / section.size;
            align(&mut row.0);
            self.head.u64(at as u64).u32(count as u32).u32(section.size as u32);
            at += row.0.len();
        }
        self.head.0.resize(header::SIZE, 0);
        move_decks(&mut self.sections[layout::DECKS.place], at as u64);
        let length = at + self.tables.iter().map(|row| row.0.len()).sum::<usize>();
        let mut file = self.head.0;
        file.reserve_exact(length - header::SIZE);
        self.sections.into_iter().chain(self.tables).for_each(|row| file.extend_from_slice(&row.0));
        file[header::LENGTH..header::CHECKSUM].copy_from_slice(&(length as u64).to_le_bytes());
        let checksum = crc64(&[&file[..header::CHECKSUM], &file[header::CHECKSUM + 8..]]);
        file[header::CHECKSUM..header::CHECKSUM + 8].copy_from_slice(&checksum.to_le_bytes());
        file
    }
}

impl Row {
    fn bucket(&mut self, bucket: &Bucket) {
        for key in bucket.keys {
            self.u64(key);
        }
        for line in bucket.lines {
            self.u32(line);
        }
        self.u32(u32::from(bucket.spilled));
    }

    fn line(&mut self, line: &Line) {
        self.i64(line.per_minute).i64(line.connection_fee).i64(line.from).i64(line.till).place(line.destination);
        self.u16(line.minimum_s).u16(line.increment_s).u16(line.free_s).flag(line.blocked).u8(0);
    }
}

/// Tables start on cache lines.
fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(64), 0);
}

/// Adds where the tables begin to the places that were counted from there.
fn move_decks(decks: &mut Row, by: u64) {
    let offsets = layout::deck::BUCKETS..layout::deck::KEY_COUNT;
    for record in decks.0.chunks_exact_mut(layout::deck::SIZE) {
        for place in record[offsets.clone()].as_chunks_mut::<8>().0 {
            *place = (u64::from_le_bytes(*place) + by).to_le_bytes();
        }
    }
}
