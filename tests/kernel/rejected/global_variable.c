// TRACEPOINT -> no-globals, line 4: this uses a global variable or a table of constants, and a BCC program has none
static u64 calls;
int hello(void *ctx) {
  calls++;
  bpf_trace_printk("%d", calls);
  return 0;
}
