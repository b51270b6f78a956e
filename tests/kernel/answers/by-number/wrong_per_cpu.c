// wrong: not counted under their number
BPF_PERCPU_HASH(counter_table, u64, u64);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u64 syscall = ctx->args[1];
  counter_table.increment(syscall);
  return 0;
}
