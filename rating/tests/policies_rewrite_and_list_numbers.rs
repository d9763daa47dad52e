//! What compiled policies do to numbers.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use proptest::prelude::*;
use rating::Rules;
use snapshot::policy::{Number as Line, NumberKind, Numbers, RewriteField};
use snapshot::{Policy, Side};
use units::{Cause, Number};

fn rules(text: &str) -> Rules {
    Rules::compile(Policy::from_text(text).unwrap()).unwrap()
}

fn number(text: &str) -> Number {
    Number::parse(text.as_bytes()).unwrap()
}

#[test]
fn rewrites_work_in_order_on_what_the_one_before_left() {
    let rules = rules(
        r#"{"rewrite":[
            {"field":"called","pattern":"^00","replacement":"+"},
            {"field":"calling","pattern":"^","replacement":"999"},
            {"field":"called","pattern":"^\\+(44)(\\d{3})(\\d+)$","replacement":"${3}$2${1}1"},
            {"field":"called","pattern":"^never$","replacement":""}]}"#,
    );
    assert_eq!(rules.rewrite(RewriteField::Called, "0044123567").unwrap(), "567123441");
    assert_eq!(rules.rewrite(RewriteField::Called, "+44123567").unwrap(), "567123441");
    assert_eq!(rules.rewrite(RewriteField::Called, "331"), None, "nothing matched");
    assert_eq!(rules.rewrite(RewriteField::Calling, "1").unwrap(), "9991");
    assert_eq!(rules.rewrite(RewriteField::To, "0044"), None, "no rewrite is of To");
    assert!(rules.rewrites(RewriteField::Called) && !rules.rewrites(RewriteField::To));
}

#[test]
fn only_the_first_match_is_replaced_and_the_rest_stays() {
    let rules = rules(
        r#"{"rewrite":[{"field":"display_name","pattern":"(?i)l(.)","replacement":"<$1$$>"},
            {"field":"identity","pattern":"^.*$","replacement":""}]}"#,
    );
    assert_eq!(rules.rewrite(RewriteField::DisplayName, "Hällo, Lölo").unwrap(), "Hä<l$>o, Lölo");
    assert_eq!(rules.rewrite_number(RewriteField::Identity, number("123")), Ok(Number::EMPTY));
}

#[test]
fn what_comes_out_must_be_a_number() {
    let rules = rules(r#"{"rewrite":[{"pattern":"^0","replacement":"sip:"}, {"pattern":"^1","replacement":"44"}]}"#);
    assert_eq!(rules.rewrite_number(RewriteField::Called, number("123")), Ok(number("4423")));
    assert_eq!(rules.rewrite_number(RewriteField::Called, number("99")), Ok(number("99")));
    assert_eq!(rules.rewrite_number(RewriteField::Called, number("023")), Err(Cause::INVALID_NUMBER));
}

#[test]
fn a_rewrite_that_grows_without_end_is_not_made() {
    let line = format!(r#"{{"field":"to","pattern":"^(.*)$","replacement":"{}"}}"#, "$1".repeat(20));
    let rules = rules(&format!(r#"{{"rewrite":[{}]}}"#, vec![line; 60].join(",")));
    let grown = rules.rewrite(RewriteField::To, "12").unwrap();
    assert_eq!(grown, "12".repeat(20), "the second would be 800 bytes");
}

#[test]
fn a_nasty_pattern_costs_no_more_than_a_plain_one() {
    // Backtracking would need 2^128 steps for each of these.
    let nasty = r#"{"rewrite":[{"field":"to","pattern":"^(a+)+$","replacement":"b"}],
        "numbers":{"called_deny":[{"kind":"regex","value":"^(1|11)+$"},{"kind":"regex","value":"^(1*)*2$"}]}}"#;
    let rules = rules(nasty);
    let long = format!("{}b", "a".repeat(127));
    assert_eq!(rules.rewrite(RewriteField::To, &long), None);
    let ones = number(&format!("{}3", "1".repeat(30)));
    assert_eq!(rules.admit_numbers(Side::Plan, &Number::EMPTY, &ones), Ok(()));
}

#[test]
fn an_expression_that_is_none_or_too_big_is_named() {
    let flaw = |text: &str| Rules::compile(Policy::from_text(text).unwrap()).unwrap_err();
    let refused = flaw(r#"{"rewrite":[{"pattern":"a"},{"pattern":"(44"}]}"#);
    assert_eq!((refused.field, refused.place), ("rewrite.pattern", Some(1)));
    assert!(refused.to_string().starts_with("rewrite.pattern: entry 2: \"(44\": "), "{refused}");
    assert!(flaw(r#"{"rewrite":[{"pattern":"(?=a)"}]}"#).reason.contains("look-around"));
    assert!(flaw(r#"{"rewrite":[{"pattern":"((a{99}){99}){99}"}]}"#).reason.contains("size limit"));
    let refused = flaw(r#"{"numbers":{"calling_deny":[{"value":"("},{"kind":"regex","value":"["}]}}"#);
    assert_eq!((refused.field, refused.place), ("numbers.calling_deny", Some(1)), "a prefix is no expression");
}

#[test]
fn numbers_are_told_by_prefix_by_the_whole_and_by_expression() {
    let rules = rules(
        r#"{"numbers":{"called_deny":[{"value":"449"},{"kind":"exact","value":"44"},{"kind":"regex","value":"0{4}$"}]}}"#,
    );
    let denied = |called: &str| rules.admit_numbers(Side::Ingress, &Number::EMPTY, &number(called)).is_err();
    for (called, wanted) in
        [("449", true), ("4491", true), ("44", true), ("441", false), ("4", false), ("4410000", true), ("144", false)]
    {
        assert_eq!(denied(called), wanted, "{called}");
    }
}

#[test]
fn each_side_refuses_with_its_own_cause() {
    let rules = rules(
        r#"{"numbers":{"calling_deny":[{"value":"1"}],"calling_allow":[{"value":"1"},{"value":"2"}],
            "called_deny":[{"value":"5"}],"called_allow":[{"value":"5"},{"value":"6"}]}}"#,
    );
    let (ways, gate) = ([Side::Ingress, Side::Plan], [Side::Egress]);
    for (calling, called, trunk, out) in [
        ("2", "6", None, None),
        ("1", "6", Some(Cause::CALLING_DENIED), Some(Cause::CALLING_REFUSED)),
        ("3", "6", Some(Cause::CALLING_NOT_ALLOWED), Some(Cause::CALLING_NOT_ACCEPTED)),
        ("", "6", Some(Cause::CALLING_NOT_ALLOWED), Some(Cause::CALLING_NOT_ACCEPTED)),
        ("2", "5", Some(Cause::CALLED_DENIED), Some(Cause::CALLED_DENIED)),
        ("2", "7", Some(Cause::CALLED_NOT_ALLOWED), Some(Cause::CALLED_NOT_ALLOWED)),
        ("1", "5", Some(Cause::CALLING_DENIED), Some(Cause::CALLING_REFUSED)),
    ] {
        let calling = if calling.is_empty() { Number::EMPTY } else { number(calling) };
        let said = |side: Side| rules.admit_numbers(side, &calling, &number(called)).err();
        assert_eq!(ways.map(said), [trunk; 2], "{calling} to {called}");
        assert_eq!(gate.map(said), [out], "{calling} to {called}");
    }
}

#[test]
fn an_empty_policy_admits_everyone_and_changes_nothing() {
    let rules = Rules::default();
    assert_eq!(rules.admit_numbers(Side::Egress, &Number::EMPTY, &number("1")), Ok(()));
    assert_eq!(rules.rewrite_number(RewriteField::Called, number("1")), Ok(number("1")));
}

proptest! {
    /// Few digits, so that prefixes of each other are common.
    #[test]
    fn lists_agree_with_a_naive_scan(
        lines in prop::collection::vec((any::<bool>(), "[12]{1,5}"), 1..40),
        called in "[12]{1,7}",
    ) {
        let naive = lines.iter().any(|(exact, value)| if *exact { called == *value } else { called.starts_with(value.as_str()) });
        let kind = |exact: bool| if exact { NumberKind::Exact } else { NumberKind::Prefix };
        let list = lines.iter().map(|(exact, value)| Line { kind: kind(*exact), value: value.clone() }).collect();
        let numbers = Numbers { called_deny: list, ..Numbers::default() };
        let rules = Rules::compile(Policy { numbers, ..Policy::default() }).unwrap();
        prop_assert_eq!(rules.admit_numbers(Side::Ingress, &Number::EMPTY, &number(&called)).is_err(), naive);
    }
}
