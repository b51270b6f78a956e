// right
BPF_HASH(counter_table, u32, u64);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u32 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  u64 zero = 0, *p;
  counter_table.insert(&uid, &zero);
  p = counter_table.lookup(&uid);
  if (!p)
    return 0;
  __sync_fetch_and_add(p, 1);
  return 0;
}
