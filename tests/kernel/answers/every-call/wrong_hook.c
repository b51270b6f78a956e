// wrong: but to rawtracepoint:sys_exit
BPF_HASH(counter_table);

RAW_TRACEPOINT_PROBE(sys_exit) {
  u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  counter_table.atomic_increment(uid);
  return 0;
}
