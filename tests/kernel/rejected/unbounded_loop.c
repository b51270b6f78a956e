// TRACEPOINT -> too-many-branches, line 5: this loop has more paths than the verifier can follow: 8193 branches are waiting
BPF_HASH(seen);
int hello(void *ctx) {
  u32 times = bpf_get_prandom_u32();
  for (u64 i = 0; i < times; i++)
    seen.increment(i);
  return 0;
}
