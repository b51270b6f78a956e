// wrong: the key is the group's number
BPF_HASH(counter_table);

int count_execve(void *ctx) {
  u64 uid = bpf_get_current_uid_gid() >> 32;
  counter_table.atomic_increment(uid);
  return 0;
}

int count_chdir(void *ctx) {
  u64 uid = bpf_get_current_uid_gid() >> 32;
  counter_table.atomic_increment(uid);
  return 0;
}
