//! How long threads have had a core, by a program of the kernel that sees each change (`spent.c`).

use std::path::Path;
use std::sync::{LazyLock, Mutex};

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use aya::programs::TracePoint;

use crate::frames::compile;

/// What the program notes of a thread: since when it has a core, or 0, and what it had before.
type Noted = [u64; 2];

struct Clock {
    /// The program runs as long as this lives: until the process ends.
    _kernel: Ebpf,
    threads: HashMap<MapData, u32, Noted>,
}

static CLOCK: LazyLock<Mutex<Clock>> = LazyLock::new(|| {
    let object = compile("spent.c");
    let mut kernel = Ebpf::load_file(&object).expect("the kernel takes the table");
    std::fs::remove_file(&object).expect("written just now");
    let program: &mut TracePoint =
        kernel.program_mut("changed").expect("declared").try_into().expect("of a tracepoint");
    program.load().expect("the kernel takes the program");
    program.attach("sched", "sched_switch").expect("the kernel tells of changes");
    let threads = HashMap::try_from(kernel.take_map("threads").expect("declared")).expect("a table of threads");
    Mutex::new(Clock { _kernel: kernel, threads })
});

/// Nanoseconds that a thread with this folder in `/proc` has had a core since it was first asked about; 0 the first time.
pub fn spent(task: &Path) -> u64 {
    let name = task.file_name().and_then(|name| name.to_str()?.parse().ok());
    of(name.expect("folders of threads have their numbers as names"), false)
}

/// The same of the calling thread.
pub fn spent_here() -> u64 {
    of(rustix::thread::gettid().as_raw_nonzero().get() as u32, true)
}

fn of(thread: u32, runs: bool) -> u64 {
    let mut clock = CLOCK.lock().expect("nobody breaks while holding it");
    let now = fastpath::now_ns().expect("a clock");
    match clock.threads.get(&thread, 0) {
        Ok([0, spent]) => spent,
        Ok([since, spent]) => spent + now.saturating_sub(since),
        Err(_) => {
            clock.threads.insert(thread, [if runs { now } else { 0 }, 0], 0).expect("room for a thread");
            0
        }
    }
}
