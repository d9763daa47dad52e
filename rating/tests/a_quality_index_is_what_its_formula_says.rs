//! The formula of the quality index: what it computes, and where it is wrong.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use proptest::prelude::*;
use rating::quality::{Formula, Result as Outcome, Sum, Talk, Window};
use units::Instant;

const SUM: Sum = Sum {
    calls: 200,
    answered: 90,
    reached: 150,
    talks: 80,
    short: 10,
    acd_s: 185,
    pdd_ms: 2_500,
    mos_x100: 412,
    loss_permille: 15,
};
/// 0.0123456 a minute.
const PRICE: i64 = 12_345_600;

#[test]
fn figures_and_operators_give_millionths() {
    let rows = [
        ("", 45_000_000),
        ("ASR", 45_000_000),
        ("ner", 75_000_000),
        ("ACD_s", 185_000_000),
        ("pdd_MS", 2_500_000_000),
        ("SHORT", 12_500_000),
        ("CALLS", 200_000_000),
        ("PRICE", 12_345),
        ("LOSS", 1_500_000),
        ("MOS", 4_120_000),
        ("1 + 2 * 3 - 4 / 8", 6_500_000),
        ("(1 + 2) * 3", 9_000_000),
        ("8 - 4 - 2", 2_000_000),
        ("8 / 4 / 2", 1_000_000),
        ("-2 * -(1 + 0.5)", 3_000_000),
        ("2 / 3", 666_666),
        ("-2 / 3", -666_666),
        (".000001 + 1.", 1_000_001),
        ("5 / (ASR - 45)", 0),
        ("min(ASR, NER, 3)", 3_000_000),
        ("max(min(ASR, 50), ACD_s / 10)", 45_000_000),
        ("ASR + ACD_s / 60 - PDD_ms / 1000 - PRICE * 100", 44_348_833),
        ("9223372036854 * 9223372036854", i64::MAX),
        ("-9223372036854 * 9223372036854", i64::MIN),
    ];
    for (text, expected) in rows {
        assert_eq!(Formula::parse(text).unwrap().value(&SUM, PRICE), expected, "{text}");
    }
}

#[test]
fn a_fault_is_shown_where_it_stands() {
    let deep = format!("{}1{}", "(".repeat(17), ")".repeat(17));
    let wide = format!("{}1{}", "1+(".repeat(16), ")".repeat(16));
    let rows = [
        ("ASR +", 5, "ends"),
        ("ASR ACD_s", 4, "operator is missing"),
        ("ASR + QUALITY", 6, "not known"),
        ("(ASR", 4, "closing bracket"),
        ("ASR)", 3, "never opened"),
        ("ASR % 2", 4, "operator is missing"),
        ("* 2", 0, "expected here"),
        ("min ASR", 4, "after min"),
        ("min()", 4, "expected here"),
        ("1.2.3", 3, "operator is missing"),
        ("1.1234567", 8, "six decimals"),
        (".", 1, "without digits"),
        ("ASR + é", 6, "expected here"),
        (deep.as_str(), 16, "levels deep"),
        (wide.as_str(), 48, "deep"),
    ];
    for (text, at, words) in rows {
        let fault = Formula::parse(text).unwrap_err();
        assert!(fault.at == at && fault.reason.contains(words), "{text}: {fault}");
    }
    assert_eq!(Formula::parse("ASR +").unwrap_err().to_string().split(':').next(), Some("character 6"));
    assert!(Formula::parse(&"1+".repeat(150)).unwrap_err().reason.contains("longer"));
}

/// A formula as a tree, written with brackets around everything, and its value in exact fractions of millionths.
#[derive(Clone, Debug)]
enum Tree {
    Number(i64),
    Pair(char, Box<(Tree, Tree)>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Tree::Number(value) => value.to_string(),
            Tree::Pair(sign, pair) => format!("({}{sign}{})", pair.0.text(), pair.1.text()),
        }
    }

    fn value(&self) -> i128 {
        let (sign, pair) = match self {
            Tree::Number(value) => return i128::from(*value) * 1_000_000,
            Tree::Pair(sign, pair) => (sign, pair),
        };
        let (left, right) = (pair.0.value(), pair.1.value());
        let exact = match sign {
            '+' => left + right,
            '-' => left - right,
            '*' => left * right / 1_000_000,
            _ if right == 0 => 0,
            _ => left * 1_000_000 / right,
        };
        exact.clamp(i64::MIN.into(), i64::MAX.into())
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = (0i64..100_000).prop_map(Tree::Number);
    leaf.prop_recursive(5, 12, 2, |inner| {
        (prop::sample::select(vec!['+', '-', '*', '/']), inner.clone(), inner)
            .prop_map(|(sign, left, right)| Tree::Pair(sign, Box::new((left, right))))
    })
}

proptest! {
    #[test]
    fn the_compiled_formula_agrees_with_its_tree(tree in trees()) {
        prop_assume!(tree.text().len() <= 200);
        let formula = Formula::parse(&tree.text()).unwrap();
        prop_assert_eq!(i128::from(formula.value(&SUM, PRICE)), tree.value());
    }

    #[test]
    fn no_text_panics(text in "[-+*/(),. 0-9a-zA-Z_é]{0,60}") {
        if let Ok(formula) = Formula::parse(&text) {
            formula.value(&SUM, i64::MAX);
        }
    }

    /// The window against a plain list of everything that happened.
    #[test]
    fn a_window_says_what_its_last_calls_say(
        calls in prop::collection::vec((0u8..3, prop::option::of(0u64..90_000), 0u64..20_000), 0..60),
        room in 1u8..40,
    ) {
        let mut window = Window::new(room, 6);
        for (kind, pdd, talk_ms) in &calls {
            let result = [Outcome::Failed, Outcome::Reached, Outcome::Answered][usize::from(*kind)];
            window.count(Instant::default(), result, *pdd);
            if result == Outcome::Answered {
                window.talked(Talk { talk_ms: *talk_ms, ..Talk::default() });
            }
        }
        let last: Vec<_> = calls.iter().rev().take(usize::from(room)).collect();
        let talks: Vec<_> = calls.iter().rev().filter(|call| call.0 == 2).take(usize::from(room)).collect();
        let sum = window.sum();
        prop_assert_eq!(usize::from(sum.calls), last.len());
        prop_assert_eq!(usize::from(sum.answered), last.iter().filter(|call| call.0 == 2).count());
        prop_assert_eq!(usize::from(sum.reached), last.iter().filter(|call| call.0 > 0).count());
        prop_assert_eq!(usize::from(sum.talks), talks.len());
        prop_assert_eq!(usize::from(sum.short), talks.iter().filter(|call| call.2 < 6_000).count());
        let seconds: f64 = talks.iter().map(|call| (call.2 / 1_000) as f64).sum();
        prop_assert!((seconds / (talks.len().max(1) as f64) - f64::from(sum.acd_s)).abs() <= 0.5);
    }
}
