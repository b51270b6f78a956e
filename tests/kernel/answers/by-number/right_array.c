// right
BPF_ARRAY(counter_table, u64, 512);

RAW_TRACEPOINT_PROBE(sys_enter) {
  int syscall = ctx->args[1];
  counter_table.atomic_increment(syscall);
  return 0;
}
