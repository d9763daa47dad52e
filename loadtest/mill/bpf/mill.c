// Makes and hears packets of media, one program for both: it stands on one interface in XDP, and is run on live frames as well
// (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES), which are of another interface. The kernel patches its own code, and waits for all cores,
// each time that it runs frames by a program which stands nowhere: two programs could not be paced.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#define SEC(name) __attribute__((section(name), used))
#define inline_always inline __attribute__((always_inline))
#define be16(x) __builtin_bswap16(x)
#define be32(x) __builtin_bswap32(x)
#define be64(x) __builtin_bswap64(x)
#define put(type, at, value) (*(type *)(data + (at)) = (value))

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const clock_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*const lock)(struct bpf_spin_lock *) = (void *)BPF_FUNC_spin_lock;
static long (*const unlock)(struct bpf_spin_lock *) = (void *)BPF_FUNC_spin_unlock;
static long (*const redirect)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect;
static __u32 (*const core)(void) = (void *)BPF_FUNC_get_smp_processor_id;

// Set before loading: where packets leave and come, with which link address, and what the run's clock counts from.
const volatile __u32 interface = 0;
const volatile __u8 link_from[6] = {0};
const volatile __u64 epoch_ns = 0;

// One end of one call that speaks. Addresses, ports and all that a packet repeats are in the network's order. The layout is src/layout.rs.
struct stream {
    __u32 speaks; // 0: nobody has this place
    __u32 sequence; // packets made so far; in our order
    __u32 from;
    __u32 to;
    __u16 from_port;
    __u16 to_port;
    __u16 check; // of the IP header, which is always the same
    __u8 link_to[6];
    __u32 place;
    __u32 source;
    __u32 ssrc;
    __u32 by_caller;
};

// The places whose turn it is on one core: from `next` up to `end`. On lines of its own, as another core writes the next one.
struct turn {
    __u32 next;
    __u32 end;
    __u32 pad[14];
};

struct {
    int (*type)[BPF_MAP_TYPE_ARRAY];
    __u32 *key;
    struct stream *value;
    int (*max_entries)[1];
} streams SEC(".maps");

struct {
    int (*type)[BPF_MAP_TYPE_ARRAY];
    __u32 *key;
    struct turn *value;
    int (*max_entries)[1];
} turns SEC(".maps");

enum { LINK = 0, IP = 14, UDP = 34, RTP = 42, STAMP = 54, SILENCE = 80, FRAME = 214, SAMPLES = 160 };

// Writes the next packet of the next stream over a frame and sends it. Frames come back with what was in them: every byte is written but for the
// silence at the end, which nobody changes.
static inline_always int speak(void *data, void *end) {
    __u32 here = core();
    struct turn *turn = map_lookup(&turns, &here);
    if (!turn || turn->next >= turn->end || data + FRAME > end)
        return XDP_DROP;
    __u32 place = turn->next;
    turn->next = place + 1;
    struct stream *stream = map_lookup(&streams, &place);
    if (!stream || !stream->speaks)
        return XDP_DROP;
    __u32 sequence = stream->sequence;
    stream->sequence = sequence + 1;
#pragma unroll
    for (int i = 0; i < 6; i++) {
        put(__u8, LINK + i, stream->link_to[i]);
        put(__u8, LINK + 6 + i, link_from[i]);
    }
    put(__u16, 12, be16(0x0800));
    // Class of expedited media (RFC 3246), not to be cut in pieces, 64 hops.
    put(__u16, IP, be16(0x45b8));
    put(__u16, IP + 2, be16(FRAME - IP));
    put(__u32, IP + 4, be32(0x4000));
    put(__u16, IP + 8, be16(0x4011));
    put(__u16, IP + 10, stream->check);
    put(__u32, IP + 12, stream->from);
    put(__u32, IP + 16, stream->to);
    put(__u16, UDP, stream->from_port);
    put(__u16, UDP + 2, stream->to_port);
    put(__u16, UDP + 4, be16(FRAME - UDP));
    // No checksum (RFC 768).
    put(__u16, UDP + 6, 0);
    // Version 2, PCMA, the first packet marked (RFC 3551 §4.1).
    put(__u16, RTP, sequence ? be16(0x8008) : be16(0x8088));
    put(__u16, RTP + 2, be16((__u16)sequence));
    put(__u32, RTP + 4, be32(sequence * SAMPLES));
    put(__u32, RTP + 8, stream->ssrc);
    put(__u32, STAMP, be32(0x54646d4c)); // TdmL
    put(__u32, STAMP + 4, stream->place);
    put(__u8, STAMP + 8, stream->by_caller);
    put(__u32, STAMP + 9, be32(sequence));
    put(__u64, STAMP + 13, be64(clock_ns() - epoch_ns));
    put(__u32, STAMP + 21, stream->source);
    put(__u8, STAMP + 25, 0);
    return redirect(interface, 0);
}

// An address and port of ours, in the network's order.
struct at {
    __u32 address;
    __u16 port;
    __u16 pad;
};

// What one end of one call hears, and of whom. Written under its lock. The layout is src/layout.rs.
struct ear {
    struct bpf_spin_lock lock;
    __u32 place;     // the call that belongs here,
    __u32 by_caller; // and its end
    __u32 source;    // the last source heard
    __u32 next;      // the sequence that is expected: one above the highest that came
    __u32 skipped;   // what was sent before this end listened
    __u32 expected_before; // by earlier sources
    __u32 packets;   // all that belong here
    __u32 received;  // each once
    __u32 misrouted; // of another call or end
    __u32 loss_runs;
    __u32 late;
    __u32 duplicate;
    __u32 unplayable;
    __u32 timed; // packets of this source that `sum` adds up
    __u64 came;  // which of the 64 below `next` came, the latest in the lowest bit
    __s64 before; // nanoseconds from end to end: of the packet before,
    __s64 least;
    __s64 sum;
    __u64 jitter_q4; // RFC 3550 A.8, in sixteenths of nanoseconds
};

struct {
    int (*type)[BPF_MAP_TYPE_HASH];
    int (*map_flags)[BPF_F_NO_PREALLOC];
    struct at *key;
    struct ear *value;
    int (*max_entries)[1];
} ears SEC(".maps");

// Packets by the time from end to end: eight steps to each doubling. The steps are src/delays.rs.
#define STEPS 320
struct {
    int (*type)[BPF_MAP_TYPE_PERCPU_ARRAY];
    __u32 *key;
    __u64 *value;
    int (*max_entries)[STEPS];
} delays SEC(".maps");

#define UNPLAYABLE_NS 60000000
#define PAYLOAD 172

// What a packet says of itself, in our order.
struct stamp {
    __u32 place;
    __u32 by_caller;
    __u32 sequence;
    __u32 source;
};

static inline_always int first_time(struct ear *ear, __u32 sequence) {
    if (sequence >= ear->next) {
        __u32 gap = sequence - ear->next;
        if (gap)
            ear->loss_runs += 1;
        ear->came = gap < 63 ? ear->came << (gap + 1) | 1 : 1;
        ear->next = sequence == 0xffffffff ? sequence : sequence + 1;
        return 1;
    }
    __u32 back = ear->next - 1 - sequence;
    // More than a second late: whether it came before is not known, and it is of no use.
    if (back >= 64) {
        ear->late += 1;
        return 0;
    }
    __u64 bit = 1ULL << back;
    if (ear->came & bit) {
        ear->duplicate += 1;
        return 0;
    }
    ear->came |= bit;
    ear->late += 1;
    return 1;
}

static inline_always void time(struct ear *ear, __s64 transit) {
    if (!ear->timed || transit < ear->least)
        ear->least = transit;
    if (ear->timed) {
        __s64 off = transit - ear->before;
        ear->jitter_q4 += (off < 0 ? -off : off) - ((ear->jitter_q4 + 8) >> 4);
    } else {
        ear->sum = 0;
    }
    if (transit - ear->least > UNPLAYABLE_NS)
        ear->unplayable += 1;
    ear->before = transit;
    ear->sum += transit;
    ear->timed += 1;
}

// Whether the packet belongs here.
static inline_always int hear(struct ear *ear, const struct stamp *stamp, __s64 transit) {
    if (stamp->place != ear->place || stamp->by_caller != ear->by_caller) {
        ear->misrouted += 1;
        return 0;
    }
    if (stamp->source != ear->source) {
        ear->expected_before += ear->next - ear->skipped;
        ear->source = stamp->source;
        ear->next = ear->skipped = ear->timed = 0;
        ear->came = ~0ULL;
    }
    ear->packets += 1;
    if (first_time(ear, stamp->sequence)) {
        ear->received += 1;
        time(ear, transit);
    }
    return 1;
}

// The step of a delay: itself below 8, then three bits below the highest one.
static inline_always __u32 step(__u64 delay) {
    __u32 high = 0;
    __u64 rest = delay;
#pragma unroll
    for (int bits = 32; bits > 0; bits >>= 1) {
        if (rest >> bits) {
            rest >>= bits;
            high += bits;
        }
    }
    if (high < 3)
        return delay;
    __u32 at = (high - 2) * 8 + ((delay >> (high - 3)) & 7);
    return at < STEPS ? at : STEPS - 1;
}

// Judges and consumes a packet that came to a port where somebody listens (`ears`); everything else goes up.
static inline_always int take(void *data, void *end) {
    struct ethhdr *eth = data;
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);
    void *rtp = udp + 1;
    if (rtp + PAYLOAD > end || eth->h_proto != be16(ETH_P_IP) || ip->version != 4 || ip->ihl != 5 || ip->protocol != 17 ||
        (ip->frag_off & be16(0x3fff)) || udp->len != be16(sizeof(*udp) + PAYLOAD) || *(__u32 *)(rtp + 12) != be32(0x54646d4c))
        return XDP_PASS;
    struct at at = {ip->daddr, udp->dest, 0};
    struct ear *ear = map_lookup(&ears, &at);
    if (!ear)
        return XDP_PASS;
    struct stamp stamp = {
        .place = be32(*(__u32 *)(rtp + 16)),
        .by_caller = *(__u8 *)(rtp + 20),
        .sequence = be32(*(__u32 *)(rtp + 21)),
        .source = be32(*(__u32 *)(rtp + 33)),
    };
    __s64 transit = clock_ns() - epoch_ns - be64(*(__u64 *)(rtp + 25));
    lock(&ear->lock);
    int belongs = hear(ear, &stamp, transit);
    unlock(&ear->lock);
    if (!belongs)
        return XDP_DROP;
    __u32 key = step(transit < 0 ? 0 : transit);
    __u64 *count = map_lookup(&delays, &key);
    if (count)
        *count += 1;
    return XDP_DROP;
}

SEC("xdp")
int mill(struct xdp_md *ctx) {
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    return ctx->ingress_ifindex == interface ? take(data, end) : speak(data, end);
}

char licence[] SEC("license") = "Apache-2.0";
