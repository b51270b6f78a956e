// TRACEPOINT -> wrong-argument, line 5: bpf_perf_event_output() expects a pointer to the data, and gets now (any number, including negative ones)
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  u64 now = bpf_ktime_get_ns();
  output.perf_submit(ctx, (void *)now, sizeof(now));
  return 0;
}
