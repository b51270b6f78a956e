// TRACEPOINT -> wrong-argument, line 6: bpf_map_update_elem() expects a pointer to the value, and gets the number 1
BPF_HASH(counter_table);
int hello(void *ctx) {
  u64 uid = bpf_get_current_uid_gid();
  u64 one = 1;
  counter_table.update(&uid, (u64 *)one);
  return 0;
}
