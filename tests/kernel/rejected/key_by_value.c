// TRACEPOINT -> value-for-address, line 5: bpf_map_lookup_elem() expects the address of the key, and gets its value
BPF_HASH(counter_table);
int hello(void *ctx) {
  u64 uid = bpf_get_current_uid_gid();
  u64 *p = counter_table.lookup(uid);
  return p ? 1 : 0;
}
