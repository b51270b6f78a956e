// TRACEPOINT -> smaller-than-the-map, line 5: the key passed to bpf_map_lookup_elem() has 4 bytes, and the map's has 8
BPF_HASH(counter_table);
int hello(void *ctx) {
  u32 uid = 0;
  u64 *p = counter_table.lookup(&uid);
  return p ? 1 : 0;
}
