//! A model becomes bytes.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::calendar::{Calendar, Offset, weekdays};
use crate::flaw::ModelFlaw;
use crate::image::DeckImage;
use crate::layout::{self, MAGIC, SECTIONS, Section, header};
use crate::model::{CarrierLimits, Deck, Limits, Model};
use crate::row::{Row, Strings};
use crate::view::{View, address_bytes, masked};

/// A model as it is published: a main image and those of its decks.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Everything but the decks' rates.
    pub main: Vec<u8>,
    /// The rates of each deck, in order of the decks' ids.
    pub decks: Vec<DeckImage>,
}

impl Encoded {
    /// What it says.
    pub fn view(&self) -> View<'_> {
        View::with(&self.main, &self.decks)
    }
}

impl Model {
    /// The bytes of a snapshot in one piece, or the first object that is wrong and why. The same model gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ModelFlaw> {
        let (file, images) = self.file()?;
        Ok(file.close(&images, true))
    }

    /// The same in pieces, so that a deck that did not change stays the piece that it was.
    pub fn encode_apart(&self) -> Result<Encoded, ModelFlaw> {
        let (file, decks) = self.file()?;
        Ok(Encoded { main: file.close(&decks, false), decks })
    }

    fn file(&self) -> Result<(File, Vec<DeckImage>), ModelFlaw> {
        self.check()?;
        let mut decks: Vec<&Deck> = self.decks.iter().collect();
        decks.sort_by_key(|deck| deck.id);
        let images = decks.iter().map(|deck| deck.image()).collect::<Result<Vec<_>, _>>()?;
        let mut file = File::new(self);
        file.carriers(self);
        file.exchange_rates(self);
        file.ingress_trunks(self);
        file.egress_trunks(self);
        file.plans(self);
        decks.iter().zip(&images).for_each(|(deck, image)| file.deck(deck, image));
        Ok((file, images))
    }
}

/// As in [`layout::limits`].
fn limits(of: Limits) -> [u8; layout::limits::SIZE] {
    let mut row = Row::default();
    row.u32(of.capacity).u32(of.cps).u8(of.cps_window_s).bytes(&[0; 3]);
    let mut bytes = [0; layout::limits::SIZE];
    bytes.copy_from_slice(&row.0);
    bytes
}

struct File {
    head: Row,
    sections: Vec<Row>,
    strings: Strings,
}

impl File {
    fn new(model: &Model) -> File {
        let mut head = Row::header(MAGIC);
        head.patch(header::REVISION, &model.revision.0.to_le_bytes());
        head.patch(header::LIMITS, &limits(model.limits));
        head.patch(header::BUILT, &model.built.micros().to_le_bytes());
        let sections = SECTIONS.iter().map(|_| Row::default()).collect();
        File { head, sections, strings: Strings::default() }
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
                let CarrierLimits { ingress, egress, capacity, originator_capacity } = carrier.limits;
                row.bytes(&limits(ingress)).bytes(&limits(egress)).u32(capacity).u32(originator_capacity);
            });
        }
        let mut accounts: Vec<_> = model.accounts.iter().collect();
        accounts.sort_by_key(|account| account.id);
        for account in accounts {
            self.record(layout::ACCOUNTS, |row, _| {
                row.u32(account.id.0).u32(account.carrier.0).bytes(&account.currency.bytes());
                row.flag(account.owed_limited);
            });
        }
    }

    fn exchange_rates(&mut self, model: &Model) {
        let mut rates: Vec<_> = model.exchange_rates.iter().collect();
        rates.sort_by_key(|rate| (rate.currency, rate.from));
        for rate in rates {
            self.record(layout::EXCHANGES, |row, _| {
                row.bytes(&rate.currency.bytes()).u8(0).i64(rate.from.micros()).i64(rate.value.nanos());
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
                row.u32(trunk.override_deck.map_or(0, |deck| deck.0));
                for way in trunk.ways.all() {
                    row.u32(way.plan.map_or(0, |plan| plan.0)).u32(way.sell_deck.map_or(0, |deck| deck.0));
                }
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
                row.u32(trunk.override_deck.map_or(0, |deck| deck.0));
            });
        }
    }

    fn plans(&mut self, model: &Model) {
        let mut plans: Vec<_> = model.plans.iter().collect();
        plans.sort_by_key(|plan| plan.id);
        let mut first = 0;
        for plan in plans {
            let candidates = plan.candidates(&model.groups);
            let offset = |offset: &Offset| format!("{} {}", offset.from.micros(), offset.ahead_s);
            let offsets: Vec<String> = plan.offsets.iter().map(offset).collect();
            self.record(layout::PLANS, |row, strings| {
                row.u32(plan.id.0).place(strings.keep(&plan.code)).i64(plan.margin_min.nanos());
                row.u16(plan.setup_timeout_s).u8(plan.order as u8).u8(plan.attempts_max);
                row.u32(first).u32(candidates.len() as u32).place(strings.keep(&plan.policy.to_text()));
                row.u32(plan.failover.map_or(0, |id| id.0)).place(strings.keep(&plan.rules.to_text()));
                row.place(strings.keep(&offsets.join(" ")));
            });
            first += candidates.len() as u32;
            for (place, route, member) in candidates {
                let nodes: Vec<String> = member.nodes.iter().map(ToString::to_string).collect();
                self.record(layout::ROUTES, |row, strings| {
                    row.u32(member.egress_trunk.0).i16(route.priority).u16(route.weight).u8(route.percent);
                    row.u8(place as u8).u16(0).u32(route.group.map_or(0, |id| id.0));
                    row.i16(member.priority).u16(member.weight).place(strings.keep(&nodes.join(" ")));
                    row.place(strings.keep(&route.rules.to_text()));
                });
            }
        }
    }

    fn deck(&mut self, deck: &Deck, image: &DeckImage) {
        let (first, days) = self.calendar(deck);
        let Calendar { peak, free_weekdays, .. } = &deck.calendar;
        self.record(layout::DECKS, |row, strings| {
            row.u32(deck.id.0).place(strings.keep(&deck.code)).bytes(&deck.currency.bytes()).u8(deck.decimals);
            row.u8(deck.rounding as u8).flag(deck.steps_from_zero).bytes(&[0; 2]);
            row.u64(0).u64(image.mark().length).u64(image.mark().checksum).u32(deck.tax_ppm);
            row.u32(first).u16(deck.offsets.len() as u16).u16(days).u8(peak.len() as u8).u8(weekdays(free_weekdays));
            row.flag(deck.by_jurisdiction).flag(deck.by_lrn).place(strings.keep(&deck.zone));
        });
    }

    /// A deck's calendar; returns the place of its first line and how many free days it has.
    fn calendar(&mut self, deck: &Deck) -> (u32, u16) {
        let first = self.sections[layout::CALENDARS.place].0.len() / layout::CALENDARS.size;
        for offset in &deck.offsets {
            self.record(layout::CALENDARS, |row, _| {
                row.i64(offset.from.micros()).u32(offset.ahead_s.cast_unsigned()).u32(0);
            });
        }
        let days = deck.calendar.free_days();
        for day in &days {
            self.record(layout::CALENDARS, |row, _| {
                row.u32(day.number().cast_unsigned()).bytes(&[0; 12]);
            });
        }
        for peak in &deck.calendar.peak {
            self.record(layout::CALENDARS, |row, _| {
                row.u16(peak.from.number()).u16(peak.till.number()).u8(weekdays(&peak.days)).bytes(&[0; 11]);
            });
        }
        (first as u32, days.len() as u16)
    }

    /// The finished bytes; the decks' images follow the sections, or stay apart.
    fn close(mut self, decks: &[DeckImage], in_one_piece: bool) -> Vec<u8> {
        self.sections[layout::STRINGS.place].0 = core::mem::take(&mut self.strings.bytes);
        let lengths = self.sections.iter().map(|row| row.0.len().next_multiple_of(64));
        let mut place = header::SIZE + lengths.sum::<usize>();
        let mut file = self.head;
        if in_one_piece {
            let records = self.sections[layout::DECKS.place].0.chunks_exact_mut(layout::deck::SIZE);
            for (record, image) in records.zip(decks) {
                record[layout::deck::PLACE..][..8].copy_from_slice(&(place as u64).to_le_bytes());
                place += image.bytes().len();
            }
            file.0.reserve_exact(place - header::SIZE);
        }
        for (section, row) in SECTIONS.iter().zip(&self.sections) {
            file.section(*section, row.0.len() / section.size);
            file.bytes(&row.0).align();
        }
        if in_one_piece {
            for image in decks {
                file.bytes(image.bytes());
            }
        }
        file.seal();
        file.0
    }
}
