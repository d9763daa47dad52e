//! The demo's price lists: real country codes, made-up prices, the same on every machine. The arithmetic of a price is done here once
//! more, by other means than the switch's, so that the books can be checked against it.

use std::collections::HashMap;
use std::fmt::Write;

/// Country calling codes (ITU-T E.164) and what people call the country.
const COUNTRIES: &str = "\
1 United States and Canada,1242 Bahamas,1246 Barbados,1345 Cayman Islands,1441 Bermuda,1473 Grenada,1649 Turks and Caicos,\
1658 Jamaica,1758 Saint Lucia,1767 Dominica,1787 Puerto Rico,1809 Dominican Republic,1868 Trinidad and Tobago,7 Russia,20 Egypt,\
27 South Africa,30 Greece,31 Netherlands,32 Belgium,33 France,34 Spain,36 Hungary,39 Italy,40 Romania,41 Switzerland,43 Austria,\
44 United Kingdom,45 Denmark,46 Sweden,47 Norway,48 Poland,49 Germany,51 Peru,52 Mexico,53 Cuba,54 Argentina,55 Brazil,56 Chile,\
57 Colombia,58 Venezuela,60 Malaysia,61 Australia,62 Indonesia,63 Philippines,64 New Zealand,65 Singapore,66 Thailand,81 Japan,\
82 South Korea,84 Vietnam,86 China,90 Turkey,91 India,92 Pakistan,93 Afghanistan,94 Sri Lanka,95 Myanmar,98 Iran,211 South Sudan,\
212 Morocco,213 Algeria,216 Tunisia,218 Libya,220 Gambia,221 Senegal,222 Mauritania,223 Mali,224 Guinea,225 Ivory Coast,\
226 Burkina Faso,227 Niger,228 Togo,229 Benin,230 Mauritius,231 Liberia,232 Sierra Leone,233 Ghana,234 Nigeria,235 Chad,\
236 Central African Republic,237 Cameroon,238 Cape Verde,239 Sao Tome,240 Equatorial Guinea,241 Gabon,242 Congo,243 DR Congo,\
244 Angola,245 Guinea-Bissau,248 Seychelles,249 Sudan,250 Rwanda,251 Ethiopia,252 Somalia,253 Djibouti,254 Kenya,255 Tanzania,\
256 Uganda,257 Burundi,258 Mozambique,260 Zambia,261 Madagascar,262 Reunion,263 Zimbabwe,264 Namibia,265 Malawi,266 Lesotho,\
267 Botswana,268 Eswatini,269 Comoros,291 Eritrea,297 Aruba,298 Faroe Islands,299 Greenland,350 Gibraltar,351 Portugal,\
352 Luxembourg,353 Ireland,354 Iceland,355 Albania,356 Malta,357 Cyprus,358 Finland,359 Bulgaria,370 Lithuania,371 Latvia,\
372 Estonia,373 Moldova,374 Armenia,375 Belarus,376 Andorra,377 Monaco,378 San Marino,380 Ukraine,381 Serbia,382 Montenegro,\
383 Kosovo,385 Croatia,386 Slovenia,387 Bosnia and Herzegovina,389 North Macedonia,420 Czechia,421 Slovakia,423 Liechtenstein,\
500 Falkland Islands,501 Belize,502 Guatemala,503 El Salvador,504 Honduras,505 Nicaragua,506 Costa Rica,507 Panama,509 Haiti,\
590 Guadeloupe,591 Bolivia,592 Guyana,593 Ecuador,594 French Guiana,595 Paraguay,596 Martinique,597 Suriname,598 Uruguay,\
599 Curacao,670 Timor-Leste,673 Brunei,674 Nauru,675 Papua New Guinea,676 Tonga,677 Solomon Islands,678 Vanuatu,679 Fiji,\
680 Palau,682 Cook Islands,685 Samoa,686 Kiribati,687 New Caledonia,689 French Polynesia,691 Micronesia,692 Marshall Islands,\
852 Hong Kong,853 Macau,855 Cambodia,856 Laos,880 Bangladesh,886 Taiwan,960 Maldives,961 Lebanon,962 Jordan,963 Syria,964 Iraq,\
965 Kuwait,966 Saudi Arabia,967 Yemen,968 Oman,970 Palestine,971 United Arab Emirates,972 Israel,973 Bahrain,974 Qatar,975 Bhutan,\
976 Mongolia,977 Nepal,992 Tajikistan,993 Turkmenistan,994 Azerbaijan,995 Georgia,996 Kyrgyzstan,998 Uzbekistan";

/// Two more digits behind each country code: this many of the hundred.
const AREAS: u32 = 96;

/// One line of a price list. Prices are in millionths of the currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What the called number starts with.
    pub prefix: String,
    /// What people call the destination.
    pub destination: String,
    /// Price of sixty seconds.
    pub per_minute: u64,
    /// Seconds billed at least, and the step after them.
    pub steps: (u64, u64),
}

/// A price list of one carrier.
#[derive(Clone, Debug, Default)]
pub struct Deck {
    lines: Vec<Line>,
    places: HashMap<String, usize>,
}

/// The same number for the same text, everywhere.
fn hash(text: &str, salt: u64) -> u64 {
    let seed = 0xCBF2_9CE4_8422_2325 ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = text.bytes().fold(seed, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    mixed ^ (mixed >> 29)
}

/// What everybody pays around this destination, before a carrier adds its own.
fn base(country: &str, prefix: &str, mobile: bool) -> u64 {
    let level = 3_000 + hash(country, 1) % 90_000;
    let spread = 90 + hash(prefix, 2) % 21;
    level * spread / 100 * if mobile { 3 } else { 1 }
}

impl Deck {
    /// A list at so many per cent of the base price, give or take what `salt` decides for each destination.
    pub fn generate(percent: u64, salt: u64) -> Deck {
        let mut deck = Deck::default();
        for entry in COUNTRIES.split(',') {
            let (code, name) = entry.split_once(' ').expect("each entry is a code and a name");
            deck.add(code, code, name, false, percent, salt);
            for area in 0..AREAS {
                let prefix = format!("{code}{area:02}");
                let mobile = hash(&prefix, 3).is_multiple_of(3);
                deck.add(&prefix, code, name, mobile, percent, salt);
            }
        }
        deck
    }

    fn add(&mut self, prefix: &str, country: &str, name: &str, mobile: bool, percent: u64, salt: u64) {
        // Within two per cent of the list's own level: who is cheapest differs from place to place.
        let own = percent * 10 + hash(prefix, 100 + salt) % 41 - 20;
        let steps = match hash(country, 4) % 10 {
            0 => (60, 60),
            1 | 2 => (30, 6),
            _ => (1, 1),
        };
        self.places.insert(prefix.into(), self.lines.len());
        self.lines.push(Line {
            prefix: prefix.into(),
            destination: if mobile { format!("{name} mobile") } else { name.into() },
            per_minute: base(country, prefix, mobile) * own / 1_000,
            steps,
        });
    }

    /// Lines in it.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// As CSV, the way a carrier would send it.
    pub fn csv(&self) -> String {
        let mut text = String::from("prefix,destination,rate,connection_fee,increments\n");
        for Line { prefix, destination, per_minute, steps } in &self.lines {
            let (whole, fraction) = (per_minute / 1_000_000, per_minute % 1_000_000);
            let _ = writeln!(text, "{prefix},{destination},{whole}.{fraction:06},0,{}/{}", steps.0, steps.1);
        }
        text
    }

    /// The line with the longest prefix of a number, found by trying each length.
    pub fn line(&self, called: &str) -> Option<&Line> {
        let lengths = (1..=called.len()).rev();
        let place = lengths.filter_map(|length| self.places.get(called.get(..length)?)).next()?;
        self.lines.get(*place)
    }

    /// What a call costs, in millionths, half to even; `None` without a rate.
    pub fn price(&self, called: &str, duration_ms: u64) -> Option<u64> {
        let line = self.line(called)?;
        let seconds = duration_ms.div_ceil(1_000);
        if seconds == 0 {
            return Some(0);
        }
        let (minimum, step) = line.steps;
        let over = seconds.saturating_sub(minimum).div_ceil(step);
        let sixtieths = u128::from(line.per_minute) * u128::from(minimum + over * step);
        let (price, rest) = (sixtieths / 60, sixtieths % 60);
        let up = rest > 30 || (rest == 30 && price % 2 == 1);
        Some((price + u128::from(up)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_decks_hold_more_than_a_hundred_thousand_rates_and_no_prefix_twice() {
        let deck = Deck::generate(100, 0);
        assert!(deck.len() * 6 >= 100_000, "{}", deck.len());
        assert_eq!(deck.places.len(), deck.lines.len());
        assert_eq!(deck.csv(), Deck::generate(100, 0).csv());
    }

    #[test]
    fn prices_are_those_of_pen_and_paper() {
        let line = |per_minute, steps| Line { prefix: "44".into(), destination: String::new(), per_minute, steps };
        let deck = |line| Deck { lines: vec![line], places: HashMap::from([("44".into(), 0)]) };
        assert_eq!(deck(line(12_400, (1, 1))).price("4420", 31_000), Some(6_407));
        assert_eq!(deck(line(12_000, (30, 6))).price("4420", 30_001), Some(7_200));
        assert_eq!(deck(line(30, (1, 1))).price("4420", 1_000), Some(0));
        assert_eq!(deck(line(90, (1, 1))).price("4420", 1_000), Some(2));
        assert_eq!(deck(line(90, (60, 60))).price("4420", 1), Some(90));
        assert_eq!(deck(line(90, (60, 60))).price("4930", 1), None);
    }
}
