// TRACEPOINT -> endless-loop, line 4: this loop never ends: an iteration changes nothing that the verifier can see
int hello(void *ctx) {
  while (1)
    bpf_get_prandom_u32();
  return 0;
}
