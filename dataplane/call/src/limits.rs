//! Every bound of a call, with the sums between them.

/// Attempts of one call at most; as many as routes are kept.
pub const ATTEMPTS_MAX: usize = 16;
/// Addresses of one trunk that one attempt tries at most (RFC 3263 §4.3).
pub const TARGETS_MAX: usize = 4;
/// Milliseconds that a silent address is waited for while the trunk has another one.
pub const PLACE_TIMEOUT_MS: u64 = 2_000;
/// Legs of one call at most: the ingress leg and one for each address of each attempt.
pub const LEGS_MAX: usize = 1 + ATTEMPTS_MAX * TARGETS_MAX;
/// Requests within a dialog that one leg answers at the same time.
pub const REQUESTS_PER_LEG_MAX: usize = 8;
/// Requests within a dialog that one leg remembers, the answered ones included: their senders may repeat them for 32 s.
pub const REQUESTS_KEPT_MAX: usize = 64;
/// Branches of a fork behind a terminator that are told apart before the answer.
pub const EARLY_DIALOGS_MAX: usize = 8;
/// Reliable provisional responses that wait for the PRACK of the one before.
pub const PROGRESS_QUEUE_MAX: usize = 4;
/// INVITEs of one attempt that were refused and sent anew before a longer interval between refreshes is asked for no more.
pub const REPEATS_MAX: usize = 4;
/// INVITEs of a leg that are remembered while their final answers may come again.
pub const PAST_INVITES_MAX: usize = 8;
/// Milliseconds that a re-INVITE may go without final answer before it is cancelled.
pub const REOFFER_TIMEOUT_MS: u64 = 60_000;
/// A body that is passed on, in bytes.
pub const BODY_BYTES_MAX: usize = 16 << 10;
/// The Content-Type of a body that is passed on, in bytes.
pub const KIND_BYTES_MAX: usize = 512;
/// Seconds from INVITE to the first sign of life where a trunk does not say.
pub const PROGRESS_TIMEOUT_S: u16 = 8;
/// Seconds from the first 18x to the answer where a trunk does not say.
pub const RING_TIMEOUT_S: u16 = 120;
/// Seconds from INVITE to answer over all attempts where a plan does not say.
pub const SETUP_TIMEOUT_S: u16 = 180;
/// Seconds of an answered call where a trunk does not say (M4's `global_call_timeout`).
pub const DURATION_MAX_S: u32 = 7_200;
/// Milliseconds that a home shard may take to answer; also how long the ledger may take to lend money.
pub const BOOK_TIMEOUT_MS: u64 = 2_000;
/// Milliseconds that the journal may take before a call that waits to be answered is released.
pub const JOURNAL_TIMEOUT_MS: u64 = 4_000;
/// Milliseconds that an answer may wait for the PRACK of an earlier response: a little longer than that is repeated.
pub const PRACK_TIMEOUT_MS: u64 = 33_000;
/// Milliseconds that the kernel's last counts of a call's media may take before its record is written without them.
pub const PARTING_MS: u64 = 100;
/// Milliseconds before the end of paid time at which the next slice is asked for.
pub const EXTEND_AHEAD_MS: u64 = 5_000;
/// Milliseconds of talk that one slice pays for at least.
pub const SLICE_MS: u64 = 30_000;
/// Transaction timers fire at multiples of this many microseconds, at most that much late.
pub const TIMER_STEP_US: u64 = 32_000;
/// Transactions that are over are forgotten at multiples of this many microseconds: at a coarse tick of the shard's wheel, so that no call
/// is looked at twice for it.
pub const FORGET_STEP_US: u64 = 256_000;

const _: () = assert!(LEGS_MAX <= u8::MAX as usize);
const _: () = assert!(EXTEND_AHEAD_MS < SLICE_MS);
const _: () = assert!(BOOK_TIMEOUT_MS < EXTEND_AHEAD_MS);
