// wrong: no function named 'count_chdir' yet, nor one at chdir; the program has count_execve
BPF_HASH(counter_table);

int count_execve(void *ctx) {
  u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  counter_table.atomic_increment(uid);
  return 0;
}
