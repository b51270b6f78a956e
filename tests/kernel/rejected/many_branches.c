// TRACEPOINT -> too-many-branches, line 4: this loop has more paths than the verifier can follow: 8193 branches are waiting
int hello(void *ctx) {
  u64 sum = 0;
  for (int i = 0; i < 20000; i++)
    if (bpf_get_prandom_u32() > 5)
      sum += i;
  return sum;
}
