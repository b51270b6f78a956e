// TRACEPOINT -> stack-bounds, line 4: this accesses memory beyond a variable on the stack
int hello(void *ctx) {
  u64 now = bpf_ktime_get_ns();
  bpf_probe_read_kernel(&now + 1, sizeof(now), (void *)bpf_get_current_task());
  return now;
}
