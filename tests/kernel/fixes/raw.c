// RAW_TRACEPOINT
BPF_HASH(counts);
BPF_HASH(pid);
RAW_TRACEPOINT_PROBE(sys_enter) {
  u64 i = ctx->args[1], v = 0;
  switch (i) { case 0: v = ctx->args[0]; break; case 1: v = ctx->args[1]; }
  u64 key = 5;
  counts.lookup(&key);
  return v;
}
