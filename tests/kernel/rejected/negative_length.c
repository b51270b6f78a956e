// TRACEPOINT -> length, line 7: bpf_probe_read_kernel() gets a length that may be too large: length is a number up to 16, possibly negative
int hello(void *ctx) {
  char text[16] = {};
  s64 length = bpf_ktime_get_ns();
  if (length > 16)
    return 0;
  bpf_probe_read_kernel(text, length, (void *)bpf_get_current_task());
  bpf_trace_printk("%s", text);
  return 0;
}
