// RAW_TRACEPOINT -> context-bounds, line 3: bytes 160 to 167 of the context may not be read by raw tracepoint programs
int hello(struct bpf_raw_tracepoint_args *ctx) {
  return ctx->args[20];
}
