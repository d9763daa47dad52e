//! What this kernel's io_uring can do, tried one by one.

use std::io;

use io_uring::{Builder, IoUring, Probe, opcode};

use crate::buffers::Buffers;

/// Entries of the small rings that are made for a try.
const ENTRIES: u32 = 8;
/// One receive buffer is enough to see whether the kernel takes any.
const BUFFER_BYTES: u32 = 4_096;

/// Each thing that the data plane asks of io_uring, and whether this kernel gives it to this process.
///
/// The names are those of `io_uring_setup(2)`, `io_uring_register(2)` and `io_uring_enter(2)`, in lower case. An error means that there
/// is no ring at all.
pub fn features() -> io::Result<Vec<(&'static str, bool)>> {
    let plain = IoUring::new(ENTRIES)?;
    let mut found: Vec<(&'static str, bool)> =
        SETUPS.iter().map(|(name, change)| (*name, change(&mut IoUring::builder()).build(ENTRIES).is_ok())).collect();
    found.push(("ext_arg", plain.params().is_feature_ext_arg()));
    found.push(("sparse file table", plain.submitter().register_files_sparse(ENTRIES).is_ok()));
    let buffers = Buffers::new(&plain, 0, 1, BUFFER_BYTES);
    found.push(("buf_ring", buffers.is_ok()));
    let mut probe = Probe::new();
    let probed = plain.submitter().register_probe(&mut probe).is_ok();
    found.extend(OPERATIONS.iter().map(|(name, code)| (*name, probed && probe.is_supported(*code))));
    // The ring ends before the memory that it was shown.
    drop(plain);
    drop(buffers);
    Ok(found)
}

/// Sets one flag of a ring.
type Change = fn(&mut Builder) -> &mut Builder;

/// The flags that ours is made with.
const SETUPS: &[(&str, Change)] = &[
    ("single_issuer", |builder| builder.setup_single_issuer()),
    ("coop_taskrun", |builder| builder.setup_coop_taskrun().setup_taskrun_flag()),
    ("defer_taskrun", |builder| builder.setup_single_issuer().setup_defer_taskrun()),
    ("submit_all", |builder| builder.setup_submit_all()),
];

/// The operations that the ring submits.
const OPERATIONS: &[(&str, u8)] = &[
    ("recvmsg", opcode::RecvMsgMulti::CODE),
    ("recv", opcode::RecvMulti::CODE),
    ("send", opcode::Send::CODE),
    ("accept", opcode::AcceptMulti::CODE),
    ("connect", opcode::Connect::CODE),
    ("read", opcode::Read::CODE),
    ("async_cancel", opcode::AsyncCancel::CODE),
];
