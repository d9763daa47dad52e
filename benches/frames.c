// The peer of a relay without sockets: writes RTP into live frames (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES), which reach the other end
// of the cable as packets of a card do, before any buffer of the kernel's own stack; and takes what comes back before the stack sees it.
// It stands on the interface, or each run would patch the kernel's code: see loadtest/mill.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#define SEC(name) __attribute__((section(name), used))
#define inline_always inline __attribute__((always_inline))
#define be16(x) __builtin_bswap16(x)
#define be32(x) __builtin_bswap32(x)
#define put(type, at, value) (*(type *)(data + (at)) = (value))

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const clock_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*const redirect)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect;

// Set before loading; addresses and the peer's port in the network's order.
const volatile __u32 interface = 0;
const volatile __u8 link_from[6] = {0};
const volatile __u8 link_to[6] = {0};
const volatile __u32 from = 0;
const volatile __u32 to = 0;
const volatile __u16 from_port = 0;
const volatile __u32 ports_count = 1;
// Frames that leave at once, and how long after the ones before.
const volatile __u32 together = 1;
const volatile __u64 gap_ns = 0;
// Whether packets have a UDP checksum. A card has looked at it before a socket does, which a frame made here cannot say: for sockets there is none.
const volatile __u32 summed = 0;

struct {
    int (*type)[BPF_MAP_TYPE_ARRAY];
    __u32 *key;
    __u32 *value; // a port of the relay, in the network's order
    int (*max_entries)[1];
} ports SEC(".maps");

// Read by benches/frames.rs.
struct state {
    __u64 made;
    __u64 due_ns;
    __u64 begun_ns; // when the frames that leave now began to
    __u32 left; // of them
    __u32 place; // whose turn it is among the ports
    __u32 round;
    __u32 pad[1];
    __u64 first_ns; // when the first left
    __u64 pad_before[2];
    __u64 heard; // on a line of its own: another thread writes it
    __u64 pad_too[7];
};

struct {
    int (*type)[BPF_MAP_TYPE_ARRAY];
    __u32 *key;
    struct state *value;
    int (*max_entries)[1];
} states SEC(".maps");

// What came back in each window of time, by microseconds on its way; the last of each has all that were later, the last window all from there on.
#define DELAYS 20001
#define WINDOWS 32
#define WINDOW_NS 250000000ULL
struct {
    int (*type)[BPF_MAP_TYPE_ARRAY];
    __u32 *key;
    __u64 *value;
    int (*max_entries)[WINDOWS * DELAYS];
} delays SEC(".maps");

enum { IP = 14, UDP = 34, RTP = 42, STAMP = 54, FRAME = 214, SAMPLES = 160 };
// So many gaps are made up for after a stall.
#define GAPS 3

static inline_always __u16 fold(__u64 sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

// Whether frames leave now. Until the next are due each is dropped: between batches of those the kernel lets others run.
static inline_always int due(struct state *state) {
    if (state->left)
        return 1;
    __u64 now = clock_ns();
    if (now < state->due_ns)
        return 0;
    state->due_ns = (now - state->due_ns > GAPS * gap_ns ? now : state->due_ns) + gap_ns;
    state->begun_ns = now;
    if (!state->first_ns)
        state->first_ns = now;
    state->left = together;
    return 1;
}

static inline_always int speak(void *data, void *end) {
    __u32 first = 0;
    struct state *state = map_lookup(&states, &first);
    if (!state || data + FRAME > end || !due(state))
        return XDP_DROP;
    state->left -= 1;
    __u32 place = state->place, round = state->round;
    __u32 *port = map_lookup(&ports, &place);
    if (!port)
        return XDP_DROP;
    state->place = place + 1 < ports_count ? place + 1 : 0;
    state->round = round + (state->place == 0);
#pragma unroll
    for (int i = 0; i < 6; i++) {
        put(__u8, i, link_to[i]);
        put(__u8, 6 + i, link_from[i]);
    }
    put(__u16, 12, be16(ETH_P_IP));
    // Expedited media (RFC 3246), not to be cut in pieces, 64 hops, UDP.
    put(__u32, IP, be32(0x45b80000 | (FRAME - IP)));
    put(__u32, IP + 4, be32(0x00004000));
    put(__u32, IP + 8, be32(0x40110000));
    put(__u32, IP + 12, from);
    put(__u32, IP + 16, to);
    __u64 sum = 0;
#pragma unroll
    for (int at = IP; at < UDP; at += 4)
        sum += *(__u32 *)(data + at);
    put(__u16, IP + 10, ~fold(sum));
    put(__u16, UDP, from_port);
    put(__u16, UDP + 2, *port);
    put(__u32, UDP + 4, be32((FRAME - UDP) << 16));
    // Version 2, PCMA.
    put(__u32, RTP, be32(0x80080000 | (round & 0xffff)));
    put(__u32, RTP + 4, be32(round * SAMPLES));
    put(__u32, RTP + 8, be32(place));
    put(__u64, STAMP, state->begun_ns);
    if (summed) {
        // The pseudo header (RFC 768), and all words: those behind the stamp are always the same.
        sum = (__u64)from + to + be16(17) + be16(FRAME - UDP);
#pragma unroll
        for (int at = UDP; at < FRAME; at += 4)
            sum += *(__u32 *)(data + at);
        __u16 check = ~fold(sum);
        put(__u16, UDP + 6, check ? check : 0xffff);
    }
    state->made += 1;
    return redirect(interface, 0);
}

// Counts and consumes what comes back to the peer's port; everything else goes up.
static inline_always int take(void *data, void *end) {
    struct ethhdr *eth = data;
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);
    if (data + FRAME > end || eth->h_proto != be16(ETH_P_IP) || ip->ihl != 5 || ip->protocol != 17 || udp->dest != from_port)
        return XDP_PASS;
    __u32 first = 0;
    struct state *state = map_lookup(&states, &first);
    if (!state)
        return XDP_PASS;
    __u64 now = clock_ns(), left = *(__u64 *)(data + STAMP), micros = (now - left) / 1000, window = (left - state->first_ns) / WINDOW_NS;
    __u32 key = (window < WINDOWS - 1 ? window : WINDOWS - 1) * DELAYS + (micros < DELAYS - 1 ? micros : DELAYS - 1);
    __u64 *delay = map_lookup(&delays, &key);
    if (!delay)
        return XDP_PASS;
    *delay += 1;
    state->heard += 1;
    return XDP_DROP;
}

SEC("xdp")
int frames(struct xdp_md *ctx) {
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    return ctx->ingress_ifindex == interface ? take(data, end) : speak(data, end);
}

char licence[] SEC("license") = "Apache-2.0";
