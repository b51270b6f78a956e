// XDP -> packet-bounds, line 5: this accesses the packet beyond the length that the program has checked
#include <uapi/linux/if_ether.h>
int filter(struct xdp_md *ctx) {
  struct ethhdr *eth = (void *)(long)ctx->data;
  if (eth->h_proto == htons(ETH_P_IP))
    return XDP_DROP;
  return XDP_PASS;
}
