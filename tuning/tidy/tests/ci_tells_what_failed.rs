//! What `.ci/run` prints last says which tests failed and why, whichever runner they belong to.

use std::io::Write;
use std::process::{Command, Stdio};

/// What the runners print when something fails, shortened.
const PRINTED: &str = "\
warning: slow
     Running tests/limits.rs (target/ci/deps/limits-0123456789abcdef)

running 2 tests
test room_is_kept ... ok
test ports_rest ... FAILED

failures:

---- ports_rest stdout ----
a line of its own

thread 'ports_rest' (17) panicked at dataplane/tests/limits.rs:192:9:
two pairs a call: {40000}
stack backtrace:
   0: __rustc::rust_begin_unwind

failures:
    ports_rest

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.24s

error: test failed, to rerun pass `-p tandem-dataplane --test limits`
     Running tests/both_ends.rs (target/ci/deps/both_ends-0123456789abcdef)

running 1 test
error: test failed, to rerun pass `-p tandem-loadtest --test both_ends`

Caused by:
  process didn't exit successfully: `target/ci/deps/both_ends-0123456789abcdef` (signal: 6, SIGABRT: process abort signal)
     Running tests/mutants.rs (target/ci/deps/mutants-0123456789abcdef)

running 1 test
test each_is_noticed ... 
thread 'main' (18) panicked at loadtest/sim/tests/mutants.rs:60:5:
nobody noticed RoundsUp
stack backtrace:
   0: __rustc::rust_begin_unwind
FAILED

failures:

failures:
    each_is_noticed

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

 FAIL  tests/format.test.ts > amounts > are rounded
AssertionError: expected 1 to be 2 // Object.is equality

⎯⎯⎯⎯⎯⎯⎯⎯[1/1]⎯
ok    figures move by themselves, once a second (5138 ms)
FAIL  a running call is listed, and released after a question
      locator.click: Timeout exceeded
ok    a viewer is shown nothing that would be refused, on any page (19772 ms)
make: *** [Makefile:83: test-unit] Error 101
";

const TOLD: &str = "\
== what failed ==
  limits: ports_rest
      a line of its own
      thread 'ports_rest' (17) panicked at dataplane/tests/limits.rs:192:9:
      two pairs a call: {40000}
  both_ends: the program died
        process didn't exit successfully: `target/ci/deps/both_ends-0123456789abcdef` (signal: 6, SIGABRT: process abort signal)
  mutants: each_is_noticed
      thread 'main' (18) panicked at loadtest/sim/tests/mutants.rs:60:5:
      nobody noticed RoundsUp
  tests/format.test.ts > amounts > are rounded
      AssertionError: expected 1 to be 2 // Object.is equality
  a running call is listed, and released after a question
      locator.click: Timeout exceeded
== 5 failed ==
  limits: ports_rest
  both_ends: the program died
  mutants: each_is_noticed
  tests/format.test.ts > amounts > are rounded
  a running call is listed, and released after a question
  make: *** [Makefile:83: test-unit] Error 101
  all that was printed: -
";

fn told(printed: &str) -> String {
    let script = tidy::tree::root().join(".ci/failures");
    let mut child = Command::new(script).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("awk");
    child.stdin.take().expect("a pipe").write_all(printed.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it was started here");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn each_failed_test_is_named_with_its_reason() {
    assert_eq!(told(PRINTED), TOLD);
}

#[test]
fn where_no_test_failed_the_last_lines_stand() {
    let told = told("setup: installing\nE: no such package\nmake: *** [Makefile:70: test] Error 100\n");
    assert!(told.starts_with("== what failed ==\n  setup: installing\n  E: no such package\n"), "{told}");
    assert!(told.contains("== 0 failed ==\n  make: *** [Makefile:70: test] Error 100\n"), "{told}");
}

#[test]
fn what_the_compiler_refuses_is_said_with_its_place() {
    let told = told("error[E0308]: mismatched types\n  --> dataplane/src/gate.rs:7:9\nerror: could not compile `x`\n");
    assert!(told.contains("  error[E0308]: mismatched types\n    --> dataplane/src/gate.rs:7:9\n=="), "{told}");
}
