// wrong: the key is the group's number
BPF_HASH(counter_table);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u64 uid = bpf_get_current_uid_gid() >> 32;
  counter_table.atomic_increment(uid);
  return 0;
}
