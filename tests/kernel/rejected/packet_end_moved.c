// XDP -> pointer-arithmetic, line 4: end is a pointer, and this operation is not allowed on it
int filter(struct xdp_md *ctx) {
  char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  char *last = end - 1;
  if (last > data)
    return *last;
  return XDP_PASS;
}
