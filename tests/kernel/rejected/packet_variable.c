// XDP -> packet-bounds, line 10: this accesses the packet beyond the length that the program has checked
#include <uapi/linux/ip.h>
#include <uapi/linux/udp.h>
int filter(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  struct iphdr *ip = data;
  if (data + sizeof(*ip) > end)
    return XDP_PASS;
  struct udphdr *udp = data + ip->ihl * 4;
  return udp->dest == htons(53) ? XDP_DROP : XDP_PASS;
}
