// TRACEPOINT -> pointer-arithmetic, line 3: ctx is a pointer, and this operation is not allowed on it
int hello(void *ctx) {
  u64 *twice = (u64 *)((u64)ctx * 2);
  return *twice;
}
