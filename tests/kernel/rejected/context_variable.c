// TRACEPOINT -> context-variable, line 4: the context is read at an offset that is known only when the program runs
int hello(u64 *ctx) {
  u32 which = bpf_get_prandom_u32() & 7;
  return ctx[which];
}
