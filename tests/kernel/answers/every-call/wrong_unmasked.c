// wrong: the key is both halves
BPF_HASH(counter_table);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u64 uid = bpf_get_current_uid_gid();
  counter_table.atomic_increment(uid);
  return 0;
}
