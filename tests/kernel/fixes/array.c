// TRACEPOINT
BPF_ARRAY(counts, u64, 1);
int hello(void *ctx) {
  counts.increment(0);
  return 0;
}
