// TRACEPOINT -> stack-bounds, line 4: memory beyond a variable on the stack is touched
int hello(void *ctx) {
  u64 now = bpf_ktime_get_ns();
  bpf_probe_read_kernel(&now + 1, sizeof(now), (void *)bpf_get_current_task());
  return now;
}
