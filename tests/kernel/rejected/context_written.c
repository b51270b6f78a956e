// RAW_TRACEPOINT -> context-bounds, line 3: raw tracepoint programs cannot write bytes 8 to 15 of the context
int hello(struct bpf_raw_tracepoint_args *ctx) {
  ctx->args[1] = 0;
  return 0;
}
