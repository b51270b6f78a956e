// TRACEPOINT -> stack-bounds, line 4: this accesses memory beyond a variable on the stack
int hello(void *ctx) {
  char comm[8];
  bpf_get_current_comm(comm, 16);
  bpf_trace_printk("%s", comm);
  return 0;
}
