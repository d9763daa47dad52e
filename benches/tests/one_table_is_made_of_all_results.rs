//! What benchmarks say becomes one table: verdicts by the medians, and a row for what nobody measured.

use std::process::Command;

use benches::{Finding, Limit, TARGETS};

fn beside(ours: &[f64], theirs: &[f64], most: f64) -> Finding {
    Finding::alone("T8", "a parse", "ns", ours.to_vec(), Limit::Ratio(most)).beside("plain", theirs)
}

#[test]
fn a_line_comes_back_as_it_was_said_and_other_lines_are_for_people() {
    let finding = beside(&[1.5, 2.5, 2.0], &[1.0, 1.0, 1.0], 2.0);
    let line = format!("{}{}", benches::MARK, serde_json::to_string(&finding).expect("text and numbers"));
    assert_eq!(Finding::read(&line), Some(finding));
    assert_eq!(Finding::read("result of the day: fine"), None);
    assert_eq!(Finding::read("met"), None);
}

#[test]
fn medians_decide_and_rounds_tell_the_spread() {
    for (ours, met) in [([100.0, 1.0, 2.0], true), ([2.1, 2.1, 0.1], false)] {
        assert_eq!(beside(&ours, &[1.0; 3], 2.0).met(), met, "{ours:?}");
    }
    assert_eq!(beside(&[2.0, 1.0, 3.0], &[1.0; 3], 2.0).spread(), Some(100.0));
    let alone = |limit| Finding::alone("F-5", "calls", "a second", vec![5.0, 7.0, 6.0], limit).met();
    assert!(
        alone(Limit::Least(6.0)) && !alone(Limit::Least(6.5)) && alone(Limit::Most(6.0)) && !alone(Limit::Most(5.5))
    );
    assert!(!beside(&[], &[], 2.0).met(), "nothing measured is nothing met");
}

#[test]
fn the_table_has_a_row_for_every_target_measured_or_not() {
    let folder = std::env::temp_dir().join(format!("tandem-bench-table-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let at = |name: &str| folder.join(name).to_str().expect("a plain name").to_owned();
    let (log, json, page) = (at("log"), at("run.json"), at("page.md"));
    let few = Finding::alone("T10", "a read", "ns", vec![1.0], Limit::Most(2.0));
    let lines: Vec<String> = [beside(&[1.0, 1.1, 1.2], &[1.0; 3], 2.0), few]
        .iter()
        .map(|finding| format!("{}{}", benches::MARK, serde_json::to_string(finding).expect("text and numbers")))
        .collect();
    std::fs::write(&log, format!("for people\n{}\n", lines.join("\n"))).expect("a file can be written");
    let table = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_bench-table")).args(arguments).output().expect("it starts");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (done, printed) = table(&[&log, "--json", &json]);
    let row =
        |name: &str| printed.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default();
    assert!(done && TARGETS.iter().all(|(name, _)| !row(name).is_empty()), "{printed}");
    assert!(row("T8").ends_with("met") && row("T8").contains("1.10"), "{printed}");
    assert!(row("T10").ends_with("too few rounds") && row("T1").ends_with("NOT RUN"), "{printed}");
    let order: Vec<&str> = printed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    let expected: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(order[..expected.len()], expected, "in the order of the targets");
    let (again, same) = table(&[&json, "--page", &page]);
    assert_eq!((again, same), (true, printed), "what was kept prints the same");
    let page = std::fs::read_to_string(&page).expect("a page");
    assert!(page.contains("| T8 | a parse | 1.10 ns |") && page.contains("make bench"), "{page}");
    assert!(!table(&[&at("nothing")]).0, "without a run there is no table");
    std::fs::remove_dir_all(&folder).expect("the folder was ours");
}
