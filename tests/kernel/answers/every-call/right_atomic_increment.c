// right
BPF_HASH(counter_table, u64, u64, 4096);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u64 uid = (u32)bpf_get_current_uid_gid();
  counter_table.atomic_increment(uid);
  return 0;
}
