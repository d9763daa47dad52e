//! For each rule a few lines that break it, and the same lines mended.

use tidy::{File, Finding, edges, leftovers, migrations, purity, sizes, source, words};

fn says(rule: fn(&File) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
    rule(&File::new(path, text)).iter().map(|finding| format!("{}: {}", finding.line, finding.says)).collect()
}

fn manifest(name: &str, tables: &str) -> String {
    format!("[package]\nname = \"{name}\"\n{tables}")
}

#[test]
fn the_data_plane_may_not_lean_on_the_control_planes_store() {
    let text = manifest("tandem-dataplane", "[dependencies]\nunits.workspace = true\nstore.workspace = true\n");
    assert_eq!(says(edges::check, "dataplane/Cargo.toml", &text), ["5: `tandem-dataplane` may not lean on `store`"]);
}

#[test]
fn sip_and_sdp_never_see_each_other_not_even_in_tests() {
    let text = manifest("sip", "[dev-dependencies]\nsdp = { path = \"../sdp\" }\n");
    assert_eq!(says(edges::check, "dataplane/sip/Cargo.toml", &text), ["4: `sip` may not lean on `sdp`"]);
}

#[test]
fn nobody_leans_on_the_simulator_but_the_load_test() {
    let text = manifest("web", "[dependencies.sim]\npath = \"../../loadtest/sim\"\n");
    assert_eq!(says(edges::check, "controlplane/web/Cargo.toml", &text), ["3: `web` may not lean on `sim`"]);
    let text = manifest("tandem-loadtest", "[dependencies]\nsim.workspace = true\n");
    assert!(says(edges::check, "loadtest/Cargo.toml", &text).is_empty());
}

#[test]
fn the_load_test_shares_no_protocol_code_with_the_switch() {
    let text = manifest("tandem-loadtest", "[dependencies]\nuring.workspace = true\nsip.workspace = true\n");
    assert_eq!(says(edges::check, "loadtest/Cargo.toml", &text), ["5: `tandem-loadtest` may not lean on `sip`"]);
}

#[test]
fn sql_stays_in_the_store_and_std_crates_stay_out_of_pure_ones() {
    let text = manifest("web", "[dependencies]\nsqlx.workspace = true\n");
    assert_eq!(
        says(edges::check, "controlplane/web/Cargo.toml", &text),
        ["4: `web` may not use `sqlx`: only `store` knows SQL"]
    );
    let text = manifest("rating", "[dependencies]\nrand = \"0.9\"\n[dev-dependencies]\nproptest = \"1\"\n");
    assert_eq!(
        says(edges::check, "rating/Cargo.toml", &text),
        ["4: pure `rating` may not use `rand` outside its tests"]
    );
}

#[test]
fn a_package_without_a_row_is_found() {
    let text = manifest("common", "");
    assert_eq!(
        says(edges::check, "common/Cargo.toml", &text),
        ["1: package `common` has no row in tidy's table of layers"]
    );
}

#[test]
fn deliberate_mistakes_in_a_program_are_found() {
    let says = |path: &str, text: &str| says(edges::mutants, path, text).len();
    assert_eq!(says("dataplane/Cargo.toml", "units = { workspace = true, features = [\"mutants\"] }\n"), 1);
    assert_eq!(says("loadtest/sim/Cargo.toml", "[features]\ndefault = [\"mutants\"]\n"), 1);
    assert_eq!(says("loadtest/sim/Cargo.toml", "[features]\nmutants = [\"units/mutants\"]\n"), 0);
}

#[test]
fn a_lost_no_std_is_found() {
    let lost = "//! Pure.\n\nextern crate alloc;\n";
    assert_eq!(says(purity::no_std, "rating/units/src/lib.rs", lost), ["3: a pure crate begins with #![no_std]"]);
    assert!(says(purity::no_std, "rating/units/src/lib.rs", "//! Pure.\n#![no_std]\n").is_empty());
    assert!(says(purity::no_std, "controlplane/src/lib.rs", lost).is_empty());
}

#[test]
fn a_pure_crate_that_names_the_world_is_found() {
    let path = "dataplane/call/src/leg.rs";
    assert_eq!(
        says(purity::world, path, "fn f() { std::fs::read(\"x\"); }\n"),
        ["1: a pure crate names the standard library: `std::`"]
    );
    assert_eq!(
        says(purity::world, path, "let now = Instant::now();\n"),
        ["1: a pure crate names a clock: `Instant::now`"]
    );
    assert_eq!(
        says(purity::world, path, "use hashbrown::DefaultHashBuilder as RandomState;"),
        ["1: a pure crate names chance: `RandomState`"]
    );
    assert!(says(purity::world, path, "// std::fs is not for us\nlet s = \"std::fs\";\n").is_empty());
    assert!(says(purity::world, "dataplane/call/tests/a_call.rs", "use std::fs;\n").is_empty());
    assert!(says(purity::world, "dataplane/src/main.rs", "use std::fs;\n").is_empty());
}

#[test]
fn unsafe_away_from_home_is_found() {
    let text = "fn f() {\n    unsafe { g() }\n}\n";
    assert_eq!(
        says(purity::unsafe_at_home, "dataplane/src/pump.rs", text),
        ["2: `unsafe` lives in dataplane/uring alone"]
    );
    assert_eq!(says(purity::unsafe_at_home, "tuning/src/main.rs", "#![allow(unsafe_code)]\n").len(), 1);
    assert!(says(purity::unsafe_at_home, "dataplane/uring/src/ring.rs", text).is_empty());
    assert!(says(purity::unsafe_at_home, "dataplane/src/pump.rs", "// unsafe\n#![deny(unsafe_code)]\n").is_empty());
}

#[test]
fn a_function_of_seventy_one_lines_is_found_and_one_of_seventy_is_not() {
    let of = |lines: usize| format!("pub fn long(\n    a: [u8; 4],\n) {{\n{}}}\n", "    a();\n".repeat(lines - 4));
    assert_eq!(says(sizes::functions, "a.rs", &of(71)), ["1: a function of 71 lines; 70 at most"]);
    assert!(says(sizes::functions, "a.rs", &of(70)).is_empty());
}

#[test]
fn braces_in_text_and_signatures_without_a_body_do_not_mislead() {
    let text = "trait T {\n    fn told(&self);\n    fn asked(&self) -> char {\n        // {\n        '{'\n    }\n}\ntype F = fn (u8) -> u8;\n";
    assert_eq!(sizes::spans(&source::code_only(text)), [(3, 4)]);
}

#[test]
fn a_file_over_a_thousand_lines_is_found_unless_a_program_wrote_it() {
    let long = "x\n".repeat(1_001);
    for path in ["a.rs", "a.ts", "a.tsx", "a.sh", "a.css"] {
        assert_eq!(says(sizes::file, path, &long), ["1: 1001 lines; a file has 1000 at most"]);
    }
    assert!(says(sizes::file, "a.rs", &"x\n".repeat(1_000)).is_empty());
    assert!(says(sizes::file, "a.ts", &format!("/* auto-generated by openapi-typescript */\n{long}")).is_empty());
}

#[test]
fn every_word_of_the_never_column_is_found_in_every_spelling() {
    for never in words::NEVER {
        let spellings =
            [never.word.to_owned(), format!("the {}.", never.word.to_uppercase()), format!("\"{}s\"", never.word)];
        for spelling in &spellings {
            let found = says(words::check, "rating/src/routes.rs", spelling);
            assert!(!found.is_empty(), "{spelling} passed");
        }
    }
    for line in ["struct WalletId;", "let max_wallets = 1;", "fn walletOf() {}", "-- wallet of the carrier"] {
        assert_eq!(says(words::check, "controlplane/store/src/a.rs", line), ["1: `wallet` is not our word: account"]);
    }
}

#[test]
fn other_words_and_other_meanings_pass() {
    for line in ["release the call", "walk", "parameter", "decide a leg", "remastered", "diameter"] {
        assert!(says(words::check, "rating/src/routes.rs", line).is_empty(), "{line}");
    }
    assert!(says(words::check, "dataplane/sip/src/client.rs", "the client transaction").is_empty());
    assert!(!says(words::check, "dataplane/call/src/call.rs", "the client pays").is_empty());
    assert!(says(words::check, "controlplane/web/src/auth.rs", "POST /sessions").is_empty());
    assert!(!says(words::check, "dataplane/call/src/call.rs", "the session ends").is_empty());
}

#[test]
fn every_exception_of_the_words_gives_its_reason() {
    assert!(words::ALLOWED.iter().all(|allowed| !allowed.why.is_empty()));
}

#[test]
fn unfinished_work_is_found() {
    assert_eq!(says(leftovers::unfinished, "a.rs", "fn f() {\n    // TODO: later\n}"), ["2: unfinished: TODO"]);
    assert_eq!(says(leftovers::unfinished, "a.tsx", "/* FIXME */"), ["1: unfinished: FIXME"]);
    assert!(says(leftovers::unfinished, "a.rs", "let todos = 1; // MATODO").is_empty());
}

#[test]
fn a_path_of_one_machine_is_found() {
    assert_eq!(says(leftovers::machine_paths, "a.sh", "cd /root/x"), ["1: a path of one machine: /root/"]);
    assert_eq!(says(leftovers::machine_paths, "a.md", "see `/work/main`"), ["1: a path of one machine: /work/"]);
    assert!(says(leftovers::machine_paths, "a.md", "docs/work/plan and ~/home/ and ${DIR}/work/x").is_empty());
}

#[test]
fn a_private_registry_in_a_lock_file_is_found() {
    let npm = "{\n  \"resolved\": \"https://mirror.example/react.tgz\"\n}";
    assert_eq!(says(leftovers::registries, "gui/package-lock.json", npm).len(), 1);
    assert!(
        says(leftovers::registries, "gui/package-lock.json", &npm.replace("mirror.example", "registry.npmjs.org"))
            .is_empty()
    );
    assert_eq!(
        says(leftovers::registries, "Cargo.lock", "source = \"registry+https://mirror.example/index\"").len(),
        1
    );
}

#[test]
fn a_mod_rs_is_found() {
    assert_eq!(says(leftovers::mod_rs, "rating/src/deck/mod.rs", "").len(), 1);
    assert!(says(leftovers::mod_rs, "rating/src/deck.rs", "").is_empty());
}

#[test]
fn a_step_that_older_programs_cannot_live_with_is_found() {
    let of =
        |name: &str, text: &str| says(migrations::only_add, &format!("controlplane/store/migrations/{name}"), text);
    let adds = "-- What is new; no more.\nCREATE TABLE IF NOT EXISTS rooms (\n    id BIGINT NOT NULL PRIMARY KEY,\n    UNIQUE (id)\n);\n\n\
                ALTER TABLE cdrs\n    ADD COLUMN IF NOT EXISTS room BIGINT NOT NULL DEFAULT 0,\n    ADD COLUMN IF NOT EXISTS size DECIMAL(9,2);\n\
                CREATE INDEX IF NOT EXISTS cdrs_room ON cdrs (room);\nCREATE OR REPLACE VIEW rooms_readable AS SELECT id FROM rooms;\n\
                INSERT IGNORE INTO rooms (id) VALUES (1);\n";
    assert_eq!(of("mysql/0041_adds_rooms.sql", adds), Vec::<String>::new());
    assert_eq!(
        of("mysql/0041_rooms.sql", adds),
        ["1: a step's name begins with `adds_`: older programs work with such alone"]
    );
    assert_eq!(of("mysql/0040_rooms.sql", "DROP TABLE rooms;\n").len(), 0, "older ones have run");
    for (line, wrong) in [
        (1, "DROP TABLE rooms;"),
        (2, "-- Why.\nALTER TABLE cdrs DROP COLUMN room;"),
        (1, "ALTER TABLE cdrs ADD COLUMN IF NOT EXISTS room BIGINT, DROP COLUMN size;"),
        (1, "ALTER TABLE cdrs ADD COLUMN IF NOT EXISTS room BIGINT NOT NULL;"),
        (1, "ALTER TABLE cdrs ADD COLUMN room BIGINT;"),
        (1, "CREATE TABLE rooms (id BIGINT);"),
        (1, "CREATE UNIQUE INDEX IF NOT EXISTS cdrs_room ON cdrs (room);"),
        (1, "UPDATE cdrs SET room=1;"),
        (1, "INSERT IGNORE INTO cdrs (room) VALUES (1);"),
    ] {
        let begins = format!("{line}: a step only adds, and may be begun again: ");
        let told = of("mysql/0041_adds_rooms.sql", wrong);
        assert!(told.len() == 1 && told[0].starts_with(&begins), "{wrong}: {told:?}");
    }
    let other = "ALTER TABLE cdrs ADD COLUMN room INTEGER;\nDROP VIEW IF EXISTS seen;\nCREATE VIEW IF NOT EXISTS seen AS SELECT 1;\n";
    assert_eq!(of("sqlite/0041_adds_rooms.sql", other), Vec::<String>::new());
}
