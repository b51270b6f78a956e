// TRACEPOINT -> helper-not-allowed, line 3: tracepoint programs cannot call bpf_xdp_adjust_head(), or this kernel has no such helper
int hello(struct xdp_md *ctx) {
  bpf_xdp_adjust_head(ctx, 4);
  return 0;
}
