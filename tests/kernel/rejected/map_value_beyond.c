// TRACEPOINT -> map-value-bounds, line 7: count points to a map value of 8 bytes, and this accesses 8 bytes at offset 8
BPF_ARRAY(counts, u64, 4);
int hello(void *ctx) {
  int slot = 0;
  u64 *count = counts.lookup(&slot);
  if (count)
    count[1] += 1;
  return 0;
}
