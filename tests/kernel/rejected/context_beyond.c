// RAW_TRACEPOINT -> context-bounds, line 3: raw tracepoint programs cannot read bytes 160 to 167 of the context
int hello(struct bpf_raw_tracepoint_args *ctx) {
  return ctx->args[20];
}
