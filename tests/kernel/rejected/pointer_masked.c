// TRACEPOINT -> pointer-arithmetic, line 8: count is a pointer, and this operation is not allowed on it
BPF_ARRAY(counts, u64, 4);
int hello(void *ctx) {
  int slot = 0;
  u64 *count = counts.lookup(&slot);
  if (!count)
    return 0;
  count = (u64 *)((u64)count & ~7ULL);
  return *count;
}
