// TRACEPOINT -> too-long, line 4: the verifier gave up after a million instructions: a loop is too long, or has no bound
int hello(void *ctx) {
  u64 sum = 0;
  for (int i = 0; i < 10000000; i++)
    sum += bpf_get_prandom_u32();
  return sum;
}
