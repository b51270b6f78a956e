// TRACEPOINT -> value-for-address, line 5: bpf_perf_event_output() expects the address of the data, and gets its value
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  u32 event = 3;
  output.perf_submit(ctx, event, sizeof(event));
  return 0;
}
