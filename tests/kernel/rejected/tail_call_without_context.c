// RAW_TRACEPOINT -> context-argument, line 5: bpf_tail_call() expects the program's context, and gets memory on the stack
BPF_PROG_ARRAY(calls, 8);
int hello(void *ctx) {
  u64 other = 0;
  calls.call(&other, 1);
  return 0;
}
