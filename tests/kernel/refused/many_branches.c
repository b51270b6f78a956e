// TRACEPOINT -> too-many-branches, line 4: there are more ways through this loop than the verifier keeps in mind: 8193 branches wait to be looked at
int hello(void *ctx) {
  u64 sum = 0;
  for (int i = 0; i < 20000; i++)
    if (bpf_get_prandom_u32() > 5)
      sum += i;
  return sum;
}
