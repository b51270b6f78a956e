// TRACEPOINT -> no-end, line 2: the function runs off its end: after the last line there is no return
int hello(void *ctx) {
  bpf_trace_printk("bye");
  __builtin_unreachable();
}
