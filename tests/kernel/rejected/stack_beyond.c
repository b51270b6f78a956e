// TRACEPOINT -> stack-bounds, line 5: this accesses memory beyond a variable on the stack
int hello(void *ctx) {
  char name[16] = {};
  u32 at = bpf_get_prandom_u32() & 31;
  name[at] = 'x';
  bpf_trace_printk("%s", name);
  return 0;
}
