// TRACEPOINT -> too-many-branches, line 5: there are more ways through this loop than the verifier keeps in mind: 8193 branches wait to be looked at
BPF_HASH(seen);
int hello(void *ctx) {
  u32 times = bpf_get_prandom_u32();
  for (u64 i = 0; i < times; i++)
    seen.increment(i);
  return 0;
}
