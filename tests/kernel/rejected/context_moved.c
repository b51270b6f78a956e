// TRACEPOINT -> context-moved, line 5: the context is passed with 8 added to it
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  u64 now = bpf_ktime_get_ns();
  output.perf_submit(ctx + 8, &now, sizeof(now));
  return 0;
}
