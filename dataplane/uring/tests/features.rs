//! What io_uring can do here is asked of the kernel itself.

#[test]
fn a_kernel_that_runs_our_ring_has_everything_that_the_ring_asks_for() {
    let ours = uring::Ring::new(&uring::Settings::fitting(), uring::Doorbell::new().expect("a doorbell"));
    let found = uring::features().expect("a kernel with io_uring");
    let lacking: Vec<&str> = found.iter().filter(|(_, able)| !able).map(|(name, _)| *name).collect();
    assert_eq!(ours.is_ok(), lacking.is_empty(), "{lacking:?}");
    assert!(found.iter().any(|(name, _)| *name == "buf_ring") && found.iter().any(|(name, _)| *name == "recvmsg"));
}
