// XDP -> packet-bounds, line 5: this reads the packet before its length was checked that far
#include <uapi/linux/if_ether.h>
int filter(struct xdp_md *ctx) {
  struct ethhdr *eth = (void *)(long)ctx->data;
  if (eth->h_proto == htons(ETH_P_IP))
    return XDP_DROP;
  return XDP_PASS;
}
