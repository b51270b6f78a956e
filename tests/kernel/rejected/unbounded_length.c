// TRACEPOINT -> length, line 5: bpf_probe_read_kernel() gets a length that may be too large: length is any number, including negative ones
int hello(void *ctx) {
  char text[16] = {};
  u32 length = bpf_get_prandom_u32();
  bpf_probe_read_kernel(text, length, (void *)bpf_get_current_task());
  bpf_trace_printk("%s", text);
  return 0;
}
