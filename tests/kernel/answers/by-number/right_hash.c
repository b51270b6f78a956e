// right
BPF_HASH(counter_table, u32, u64);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u32 syscall = ctx->args[1];
  u64 zero = 0;
  u64 *p = counter_table.lookup_or_try_init(&syscall, &zero);
  if (!p)
    return 0;
  __sync_fetch_and_add(p, 1);
  return 0;
}
