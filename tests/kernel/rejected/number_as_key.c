// TRACEPOINT -> wrong-argument, line 4: bpf_map_lookup_elem() expects a pointer to the key, and gets the number 5
BPF_HASH(counter_table, u32);
int hello(void *ctx) {
  u64 *p = counter_table.lookup(5);
  if (p)
    *p += 1;
  return 0;
}
