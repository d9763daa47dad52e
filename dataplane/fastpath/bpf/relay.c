// Relays RTP between two peers inside the kernel, for flows that user space has joined. One object with two programs,
// for XDP and for tc, that share their tables.
//
// A packet is taken only if it comes to a joined port from the one peer that was latched there, is RTP version 2 and no RTCP, has
// a payload type that was described, and a header that ends within it.
// Everything else goes up unchanged, where the socket relay judges it. Nothing is ever dropped here.
//
// A flow that user space relayed until now begins behind what user space still has: packets go up, each noted, until the last one that went up is
// the one that user space says it has passed on. So none overtakes another. Where that does not come to pass, user space lags and is to be
// relieved: after BEHIND_MAX packets the flow begins all the same.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#define SEC(name) __attribute__((section(name), used))
#define inline_always inline __attribute__((always_inline))
#define be16(x) __builtin_bswap16(x)
#define be32(x) __builtin_bswap32(x)
#define map_type(value) int (*type)[value]

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const clock_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*const lock)(struct bpf_spin_lock *) = (void *)BPF_FUNC_spin_lock;
static long (*const unlock)(struct bpf_spin_lock *) = (void *)BPF_FUNC_spin_unlock;
static long (*const redirect)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect;

// One direction of a call: what comes to one of our ports. Addresses of IPv4 fill the first word. The layout is src/flow.rs.
struct flow {
    struct bpf_spin_lock lock;
    __u32 joined; // 0: no; 1: user space may have packets of it; AT_ONCE: it has none
    __u32 local[4];  // the address that packets come to
    __u32 peer[4];   // who may send
    __u32 from[4];   // our address on the other side
    __u32 to[4];     // the other side's peer
    __u16 peer_port; // in the network's order, as the next two
    __u16 from_port;
    __u16 to_port;
    __u8 ipv6;
    __u8 class;        // the byte of DSCP and ECN that leaves
    __u32 addresses;   // what the new addresses add to a checksum, unfolded
    __u32 ports;       // the same of the ports
    __u32 hop;         // which entry of `turns`
    __u32 clock_rate;  // timestamp units a second
    __u32 types[4];    // the payload types that are taken, a bit each
};

// What one direction heard since it was joined. Written under its flow's lock.
struct heard {
    __u64 packets;
    __u64 bytes; // of RTP packets, headers included
    __u64 first_ns;
    __u64 last_ns;
    __u32 ssrc;
    __u32 sources; // how many times the SSRC changed, the first included
    __u32 base;    // extended sequence number of the source's first packet
    __u32 highest; // extended
    __u32 received; // of this source
    __u32 lost_before; // by earlier sources
    __u32 reordered;
    __u32 timestamp;
    __u32 jitter_q4; // RFC 3550 A.8, in sixteenths of timestamp units
    __u32 gap_max_us;
    __u64 last_up; // the mark of the packet that went up last
    __u32 behind;  // packets that went up since it was joined, or since its way was not known
    __u32 begun;   // the kernel relays it
};

#define AT_ONCE 2
#define BEHIND_MAX 256

// Where a peer's packets leave: the interface and the addresses of its link.
struct hop {
    __u32 ifindex; // 0: not known now
    __u16 vlan;    // 0: no tag
    __u8 to[ETH_ALEN];
    __u8 from[ETH_ALEN];
    __u16 pad;
};

enum count { RELAYED, NOT_JOINED, STRANGER, NOT_RTP, NO_HOP, BEHIND, COUNTS };

struct {
    map_type(BPF_MAP_TYPE_ARRAY);
    __u32 *key;
    struct flow *value;
    int (*max_entries)[1];
} flows SEC(".maps");

struct {
    map_type(BPF_MAP_TYPE_ARRAY);
    __u32 *key;
    struct heard *value;
    int (*max_entries)[1];
} heards SEC(".maps");

// The mark of the packet of each flow that user space passed on last.
struct {
    map_type(BPF_MAP_TYPE_ARRAY);
    __u32 *key;
    __u64 *value;
    int (*max_entries)[1];
} marks SEC(".maps");

// A hop has two entries in `hops`; this names the one that holds, so that a change is one word.
struct {
    map_type(BPF_MAP_TYPE_ARRAY);
    __u32 *key;
    __u32 *value;
    int (*max_entries)[4096];
} turns SEC(".maps");

struct {
    map_type(BPF_MAP_TYPE_ARRAY);
    __u32 *key;
    struct hop *value;
    int (*max_entries)[8192];
} hops SEC(".maps");

struct {
    map_type(BPF_MAP_TYPE_PERCPU_ARRAY);
    __u32 *key;
    __u64 *value;
    int (*max_entries)[COUNTS];
} counts SEC(".maps");

// The lowest RTP port, even; set before loading.
const volatile __u16 port_low = 0;

struct rtp {
    __u8 first;
    __u8 second;
    __u16 sequence;
    __u32 timestamp;
    __u32 ssrc;
};

struct vlan {
    __u16 tci;
    __u16 proto;
};

// Where the parts of a packet begin, counted from its start, and what of the flow is needed after the lock is given back.
struct found {
    __u32 network;
    __u32 transport;
    __u16 tagged; // 1 with an 802.1Q tag in the bytes
    __u8 ipv6;
    __u8 class;
    __u32 from[4];
    __u32 to[4];
    __u16 from_port;
    __u16 to_port;
    __u32 addresses;
    __u32 ports;
    struct hop hop;
};

static inline_always void count(__u32 what) {
    __u64 *number = map_lookup(&counts, &what);
    if (number)
        *number += 1;
}

static inline_always int same(const __u32 *a, const __u32 *b, __u8 ipv6) {
    if (!ipv6)
        return a[0] == b[0];
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
}

static inline_always __u16 fold(__u64 sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

// RFC 3550 A.1 and A.8 without the probation: user space has latched this source already.
static inline_always void hear(struct heard *heard, const struct rtp *rtp, __u32 bytes, __u64 now, __u32 rate) {
    __u32 sequence = be16(rtp->sequence), timestamp = be32(rtp->timestamp), ssrc = be32(rtp->ssrc);
    __u64 since = now - heard->last_ns;
    if (!heard->packets)
        heard->first_ns = now;
    else if (since / 1000 > heard->gap_max_us)
        heard->gap_max_us = since / 1000 > 0xffffffff ? 0xffffffff : since / 1000;
    heard->packets += 1;
    heard->bytes += bytes;
    heard->last_ns = now;
    if (heard->sources && heard->ssrc == ssrc) {
        __s16 ahead = (__s16)(sequence - heard->highest);
        if (ahead > 0)
            heard->highest += ahead;
        else
            heard->reordered += 1;
        heard->received += 1;
        if (timestamp != heard->timestamp) {
            __s32 late = (__s32)(since * rate / 1000000000) - (__s32)(timestamp - heard->timestamp);
            __u32 off = late < 0 ? -late : late;
            heard->jitter_q4 += off - ((heard->jitter_q4 + 8) >> 4);
        }
    } else {
        if (heard->sources) {
            __u32 expected = heard->highest - heard->base + 1;
            heard->lost_before += expected > heard->received ? expected - heard->received : 0;
        }
        heard->sources += 1;
        heard->ssrc = ssrc;
        heard->base = heard->highest = 0x10000 + sequence;
        heard->received = 1;
    }
    heard->timestamp = timestamp;
}

// Whether a header with contributing sources or an extension (RFC 3550 §5.1, §5.3.1) ends within so many bytes. Without either it does.
static inline_always int whole(const struct rtp *rtp, void *end, __u32 bytes) {
    __u8 first = rtp->first;
    if (!(first & 0x1f))
        return 1;
    __u32 header = sizeof(*rtp) + 4 * (first & 15);
    if (first & 0x10) {
        const __u16 *words = (const void *)rtp + header + 2;
        if ((const void *)(words + 1) > end)
            return 0;
        header += 4 + 4 * be16(*words);
    }
    return header <= bytes;
}

// What tells a packet from those before and after it; src/flow.rs makes the same.
static inline_always __u64 mark(const struct rtp *rtp) {
    return ((__u64)be16(rtp->sequence) << 48 | be32(rtp->timestamp)) ^ (__u64)be32(rtp->ssrc) << 16;
}

// Whether the kernel relays this packet, under the flow's lock: from the first one on that comes when user space has passed on all before it.
static inline_always int begins(struct heard *heard, __u32 joined, __u64 this, __u64 passed) {
    if (heard->begun)
        return 1;
    if (joined == AT_ONCE || heard->behind >= BEHIND_MAX || (heard->behind && heard->last_up == passed)) {
        heard->begun = 1;
        return 1;
    }
    heard->behind += 1;
    heard->last_up = this;
    return 0;
}

// Whether the packet is to be relayed; then `found` says how.
static inline_always int find(void *data, void *end, struct found *found) {
    struct ethhdr *eth = data;
    if ((void *)(eth + 1) > end)
        return 0;
    __u16 proto = eth->h_proto;
    found->network = sizeof(*eth);
    found->tagged = 0;
    if (proto == be16(ETH_P_8021Q)) {
        struct vlan *vlan = data + sizeof(*eth);
        if ((void *)(vlan + 1) > end)
            return 0;
        proto = vlan->proto;
        found->network += sizeof(*vlan);
        found->tagged = 1;
    }
    __u32 source[4] = {0}, local[4] = {0};
    if (proto == be16(ETH_P_IP)) {
        struct iphdr *ip = data + found->network;
        // Options and fragments are rare and go up.
        if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 || ip->protocol != 17 || (ip->frag_off & be16(0x3fff)))
            return 0;
        source[0] = ip->saddr;
        local[0] = ip->daddr;
        found->ipv6 = 0;
        found->transport = found->network + sizeof(*ip);
    } else if (proto == be16(ETH_P_IPV6)) {
        struct ipv6hdr *ip = data + found->network;
        if ((void *)(ip + 1) > end || ip->version != 6 || ip->nexthdr != 17)
            return 0;
        __builtin_memcpy(source, &ip->saddr, 16);
        __builtin_memcpy(local, &ip->daddr, 16);
        found->ipv6 = 1;
        found->transport = found->network + sizeof(*ip);
    } else {
        return 0;
    }
    struct udphdr *udp = data + found->transport;
    struct rtp *rtp = (void *)(udp + 1);
    if ((void *)(udp + 1) > end)
        return 0;
    __u32 above = be16(udp->dest) - port_low;
    if (above & 1)
        return 0;
    __u32 key = above >> 1;
    struct flow *flow = map_lookup(&flows, &key);
    struct heard *heard = map_lookup(&heards, &key);
    if (!flow || !heard)
        return 0;
    if (!flow->joined) {
        count(NOT_JOINED);
        return 0;
    }
    __u32 length = be16(udp->len);
    // RTCP on the same port (RFC 5761 §4) has packet types 192 to 223 where RTP has marker and payload type.
    if ((void *)(rtp + 1) > end || length < sizeof(*udp) + sizeof(*rtp) || (rtp->first >> 6) != 2 ||
        (rtp->second >= 192 && rtp->second <= 223)) {
        count(NOT_RTP);
        return 0;
    }
    __u32 type = rtp->second & 127;
    if (!(flow->types[type >> 5] >> (type & 31) & 1) || !whole(rtp, end, length - sizeof(*udp))) {
        count(NOT_RTP);
        return 0;
    }
    __u32 hop = flow->hop;
    __u32 *turn = map_lookup(&turns, &hop);
    __u32 slot = hop * 2 + (turn ? *turn & 1 : 0);
    struct hop *way = map_lookup(&hops, &slot);
    if (!way)
        return 0;
    found->hop = *way;
    struct rtp header = *rtp;
    __u16 source_port = udp->source;
    __u64 passed = 0;
    if (!heard->begun) {
        __u64 *told = map_lookup(&marks, &key);
        passed = told ? *told : 0;
    }
    __u64 now = clock_ns();
    enum count what = STRANGER;
    lock(&flow->lock);
    if (flow->joined && flow->hop == hop && flow->ipv6 == found->ipv6 && flow->peer_port == source_port && same(flow->peer, source, found->ipv6) &&
        same(flow->local, local, found->ipv6)) {
        if (!found->hop.ifindex) {
            what = NO_HOP;
            heard->begun = 0;
            heard->behind = 1;
            heard->last_up = mark(&header);
        } else if (!begins(heard, flow->joined, mark(&header), passed)) {
            what = BEHIND;
        } else {
            what = RELAYED;
            __builtin_memcpy(found->from, flow->from, 16);
            __builtin_memcpy(found->to, flow->to, 16);
            found->from_port = flow->from_port;
            found->to_port = flow->to_port;
            found->class = flow->class;
            found->addresses = flow->addresses;
            found->ports = flow->ports;
            hear(heard, &header, length - sizeof(*udp), now, flow->clock_rate);
        }
    }
    unlock(&flow->lock);
    if (what == RELAYED)
        return 1;
    count(what);
    return 0;
}

// Rewrites all but the UDP checksum and the link's header.
static inline_always int rewrite(void *data, void *end, const struct found *found) {
    if (found->ipv6) {
        struct ipv6hdr *ip = data + found->network;
        struct udphdr *udp = (void *)(ip + 1);
        if ((void *)(udp + 1) > end)
            return 0;
        ip->priority = found->class >> 4;
        ip->flow_lbl[0] = (found->class << 4) & 0xf0;
        ip->flow_lbl[1] = ip->flow_lbl[2] = 0;
        ip->hop_limit = 64;
        __builtin_memcpy(&ip->saddr, found->from, 16);
        __builtin_memcpy(&ip->daddr, found->to, 16);
        udp->source = found->from_port;
        udp->dest = found->to_port;
        return 1;
    }
    struct iphdr *ip = data + found->network;
    struct udphdr *udp = (void *)(ip + 1);
    if ((void *)(udp + 1) > end)
        return 0;
    ip->tos = found->class;
    ip->ttl = 64;
    ip->saddr = found->from[0];
    ip->daddr = found->to[0];
    ip->check = 0;
    __u16 *word = (void *)ip;
    __u32 sum = 0;
#pragma unroll
    for (int i = 0; i < 10; i++)
        sum += word[i];
    ip->check = ~fold(sum);
    udp->source = found->from_port;
    udp->dest = found->to_port;
    return 1;
}

static inline_always void link_header(struct ethhdr *eth, const struct hop *hop) {
    __builtin_memcpy(eth->h_dest, hop->to, ETH_ALEN);
    __builtin_memcpy(eth->h_source, hop->from, ETH_ALEN);
}

static long (*const adjust_head)(struct xdp_md *, int delta) = (void *)BPF_FUNC_xdp_adjust_head;

SEC("xdp")
int relay_xdp(struct xdp_md *ctx) {
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct found found;
    if (!find(data, end, &found))
        return XDP_PASS;
    __u32 transport = found.ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
    struct udphdr *udp = data + found.network + transport;
    if ((void *)(udp + 1) > end)
        return XDP_PASS;
    // RFC 1624 eqn. 3; no checksum (IPv4 only) stays none.
    if (udp->check || found.ipv6) {
        __u16 check = ~fold((__u64)(__u16)~udp->check + found.addresses + found.ports);
        udp->check = check ? check : 0xffff;
    }
    if (!rewrite(data, end, &found))
        return XDP_PASS;
    int tag = found.hop.vlan != 0;
    if (tag != found.tagged) {
        // From here on the packet is ours alone: it cannot go up any more.
        if (adjust_head(ctx, tag ? -(int)sizeof(struct vlan) : (int)sizeof(struct vlan)))
            return XDP_DROP;
        data = (void *)(long)ctx->data;
        end = (void *)(long)ctx->data_end;
    }
    struct ethhdr *eth = data;
    struct vlan *vlan = (void *)(eth + 1);
    if ((void *)(vlan + 1) > end)
        return XDP_DROP;
    link_header(eth, &found.hop);
    __u16 proto = found.ipv6 ? be16(ETH_P_IPV6) : be16(ETH_P_IP);
    if (tag) {
        eth->h_proto = be16(ETH_P_8021Q);
        vlan->tci = be16(found.hop.vlan);
        vlan->proto = proto;
    } else {
        eth->h_proto = proto;
    }
    count(RELAYED);
    return found.hop.ifindex == ctx->ingress_ifindex ? XDP_TX : redirect(found.hop.ifindex, 0);
}

static long (*const l4_csum_replace)(struct __sk_buff *, __u32 offset, __u64 from, __u64 to, __u64 flags) =
    (void *)BPF_FUNC_l4_csum_replace;
static long (*const vlan_push)(struct __sk_buff *, __be16 proto, __u16 tci) = (void *)BPF_FUNC_skb_vlan_push;
static long (*const vlan_pop)(struct __sk_buff *) = (void *)BPF_FUNC_skb_vlan_pop;
static long (*const pull)(struct __sk_buff *, __u32 length) = (void *)BPF_FUNC_skb_pull_data;

SEC("classifier")
int relay_tc(struct __sk_buff *ctx) {
    // A tag is beside the bytes here, so the headers end at the same places.
    if ((void *)(long)ctx->data + 74 > (void *)(long)ctx->data_end && ctx->len > 54)
        pull(ctx, ctx->len < 74 ? ctx->len : 74);
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct found found;
    if (!find(data, end, &found) || found.tagged)
        return TC_ACT_UNSPEC;
    // The kernel may finish this checksum later, in hardware even; its helper knows.
    __u32 at = found.network + (found.ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + __builtin_offsetof(struct udphdr, check);
    if (l4_csum_replace(ctx, at, 0, found.addresses, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0) ||
        l4_csum_replace(ctx, at, 0, found.ports, BPF_F_MARK_MANGLED_0))
        return TC_ACT_SHOT;
    if (ctx->vlan_present && vlan_pop(ctx))
        return TC_ACT_SHOT;
    if (found.hop.vlan && vlan_push(ctx, be16(ETH_P_8021Q), found.hop.vlan))
        return TC_ACT_SHOT;
    data = (void *)(long)ctx->data;
    end = (void *)(long)ctx->data_end;
    if (data + sizeof(struct ethhdr) > end || !rewrite(data, end, &found))
        return TC_ACT_SHOT;
    link_header(data, &found.hop);
    count(RELAYED);
    return redirect(found.hop.ifindex, 0);
}

// No helper used here asks for more than a licence that is named.
char licence[] SEC("license") = "Apache-2.0";
