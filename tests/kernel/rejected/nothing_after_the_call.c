// TRACEPOINT -> no-end, line 2: the function does not return after its last line
int hello(void *ctx) {
  bpf_trace_printk("bye");
  __builtin_unreachable();
}
