//! A target under libFuzzer: `make fuzz`. The variable `TANDEM_FUZZ` names the target.
#![no_main]

use std::sync::OnceLock;

use fuzz::Target;

static TARGET: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let chosen = || {
        let name = std::env::var("TANDEM_FUZZ").unwrap_or_default();
        fuzz::target(&name).unwrap_or_else(|| panic!("TANDEM_FUZZ={name} names no target"))
    };
    (TARGET.get_or_init(chosen).run)(bytes);
});
