// TRACEPOINT -> endless-loop, line 4: this loop never ends, as far as the verifier sees: a round changes nothing
int hello(void *ctx) {
  while (1)
    bpf_get_prandom_u32();
  return 0;
}
