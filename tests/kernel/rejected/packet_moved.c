// XDP -> packet-moved, line 7: data pointed into the packet, but a helper called since may have moved the packet
int filter(struct xdp_md *ctx) {
  char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  if (data + 14 > end)
    return XDP_PASS;
  bpf_xdp_adjust_head(ctx, 4);
  return data[12] == 8 ? XDP_DROP : XDP_PASS;
}
