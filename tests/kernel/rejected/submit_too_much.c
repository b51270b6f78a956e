// TRACEPOINT -> stack-bounds, line 5: this accesses memory beyond a variable on the stack
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  u64 now = bpf_ktime_get_ns();
  output.perf_submit(ctx, &now, 64);
  return 0;
}
