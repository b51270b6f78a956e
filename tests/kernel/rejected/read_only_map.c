// TRACEPOINT -> read-only-map, line 7: programs cannot write to this map
BPF_F_TABLE("array", int, u64, limits, 1, BPF_F_RDONLY_PROG);
int hello(void *ctx) {
  int zero = 0;
  u64 *limit = limits.lookup(&zero);
  if (limit)
    *limit = 5;
  return 0;
}
