// right
BPF_HASH(counter_table, u32, u32);

TRACEPOINT_PROBE(syscalls, sys_enter_execve) {
  u32 uid = bpf_get_current_uid_gid();
  counter_table.increment(uid);
  return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_chdir) {
  u32 uid = bpf_get_current_uid_gid();
  counter_table.increment(uid);
  return 0;
}
