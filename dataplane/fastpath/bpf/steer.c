// Steers datagrams to our media ports to one socket a shard, so that a port costs no socket. Ports that no call has are left to
// whoever else listens there.
#include <linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))
#define map_type(value) int (*type)[value]

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const assign)(struct bpf_sk_lookup *, struct bpf_sock *, __u64 flags) = (void *)BPF_FUNC_sk_assign;
static long (*const release)(struct bpf_sock *) = (void *)BPF_FUNC_sk_release;

enum { INET = 2, INET6 = 10, UDP = 17 };

// Our media addresses, in the network's order; all zeroes where there is none.
volatile const __u32 media_v4 = 0;
volatile const __u32 media_v6[4] = {0, 0, 0, 0};

// Sockets by shard and family: src/steer.rs numbers them.
struct {
    map_type(BPF_MAP_TYPE_SOCKMAP);
    __u32 *key;
    __u32 *value;
    int (*max_entries)[128];
} sockets SEC(".maps");

// By port: 0, or the number of its socket and one.
struct {
    map_type(BPF_MAP_TYPE_ARRAY);
    __u32 *key;
    __u32 *value;
    int (*max_entries)[65536];
} ports SEC(".maps");

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
    __u32 port = ctx->local_port, place;
    if (ctx->protocol != UDP)
        return SK_PASS;
    __u32 *socket = map_lookup(&ports, &port);
    if (!socket || !*socket)
        return SK_PASS;
    place = *socket - 1;
    // Odd numbers are of IPv6.
    if (place & 1) {
        if (ctx->family != INET6 || ctx->local_ip6[0] != media_v6[0] || ctx->local_ip6[1] != media_v6[1] ||
            ctx->local_ip6[2] != media_v6[2] || ctx->local_ip6[3] != media_v6[3])
            return SK_PASS;
    } else if (ctx->family != INET || ctx->local_ip4 != media_v4) {
        return SK_PASS;
    }
    struct bpf_sock *found = map_lookup(&sockets, &place);
    if (!found)
        return SK_PASS;
    assign(ctx, found, 0);
    release(found);
    return SK_PASS;
}
