// RAW_TRACEPOINT -> context-bounds, line 3: bytes 8 to 15 of the context may not be written by raw tracepoint programs
int hello(struct bpf_raw_tracepoint_args *ctx) {
  ctx->args[1] = 0;
  return 0;
}
