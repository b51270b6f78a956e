// TRACEPOINT -> wrong-argument, line 5: bpf_perf_event_output() wants the data as an address of memory, and gets now (any number, negative ones too)
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  u64 now = bpf_ktime_get_ns();
  output.perf_submit(ctx, (void *)now, sizeof(now));
  return 0;
}
