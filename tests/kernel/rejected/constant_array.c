// TRACEPOINT -> no-globals, line 4: this uses a global variable or a table of constants, and a BCC program has none
int hello(void *ctx) {
  u64 weights[4] = {1, 2, 4, 8};
  return weights[bpf_get_prandom_u32() & 3];
}
