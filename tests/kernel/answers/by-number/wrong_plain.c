// wrong: at once
BPF_HASH(counter_table);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u64 syscall = ctx->args[1];
  counter_table.increment(syscall);
  return 0;
}
