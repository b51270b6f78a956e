// XDP
#include <uapi/linux/if_ether.h>
#include <uapi/linux/ip.h>
int filter(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
  struct iphdr *ip = data + sizeof(struct ethhdr);
  if ((void *)(ip + 1) > data_end) return XDP_PASS;
  return ip->protocol == 1 ? XDP_DROP : XDP_PASS;
}
