//! The allocator's own option is the one that is set.

use uring::host;

#[test]
fn freed_pages_are_kept_as_long_as_was_said() {
    assert_eq!(host::freed_pages_kept(), 1_000, "what mimalloc does by itself: no other option has this value");
    host::keep_freed_pages(10_000);
    assert_eq!(host::freed_pages_kept(), 10_000);
}
