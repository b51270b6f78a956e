// right
BPF_PERCPU_HASH(counter_table, u32, u64);

TRACEPOINT_PROBE(raw_syscalls, sys_enter) {
  u32 uid = bpf_get_current_uid_gid();
  u64 zero = 0;
  u64 *p = counter_table.lookup_or_try_init(&uid, &zero);
  if (p)
    (*p)++;
  return 0;
}
