// XDP -> packet-bounds, line 10: this accesses the packet beyond the length that the program has checked
#include <uapi/linux/if_ether.h>
#include <uapi/linux/ip.h>
int filter(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;
  struct iphdr *ip = data + sizeof(*eth);
  if (data + sizeof(*eth) > end)
    return XDP_PASS;
  return ip->protocol == 17 ? XDP_DROP : XDP_PASS;
}
