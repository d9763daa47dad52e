// Notes how long threads have a core, at each change of it. The scheduler's own count (schedstat) begins when another core wakes a thread: that an
// interrupt takes to get there counts as work, and in a machine of a hypervisor it takes longer than sixteen packets do.
#include <linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const clock_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;

// Read and written by benches/spent.rs.
struct thread {
    __u64 since_ns; // 0: it waits
    __u64 spent_ns;
};

struct {
    int (*type)[BPF_MAP_TYPE_HASH];
    __u32 *key;
    struct thread *value;
    int (*max_entries)[4096];
} threads SEC(".maps");

// The kernel's events/sched/sched_switch/format.
struct change {
    __u64 common;
    char from_name[16];
    __u32 from;
    __u32 from_priority;
    __u64 from_state;
    char to_name[16];
    __u32 to;
    __u32 to_priority;
};

SEC("tracepoint/sched/sched_switch")
int changed(struct change *change) {
    __u64 now = clock_ns();
    __u32 from = change->from, to = change->to;
    struct thread *thread = map_lookup(&threads, &from);
    if (thread && thread->since_ns) {
        thread->spent_ns += now - thread->since_ns;
        thread->since_ns = 0;
    }
    thread = map_lookup(&threads, &to);
    if (thread)
        thread->since_ns = now;
    return 0;
}

char licence[] SEC("license") = "Apache-2.0";
