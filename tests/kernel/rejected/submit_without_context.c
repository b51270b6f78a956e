// TRACEPOINT -> context-argument, line 5: bpf_perf_event_output() expects the program's context, and gets the number 0
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  u64 now = bpf_ktime_get_ns();
  output.perf_submit(NULL, &now, sizeof(now));
  return 0;
}
