// TRACEPOINT
BPF_HASH(counter_table);
int hello(void *ctx) {
  u64 uid;
  u64 *p = counter_table.lookup(&uid);
  if (p)
    *p += 1;
  return 0;
}
