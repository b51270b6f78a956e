// TRACEPOINT -> not-a-pointer, line 4: the value in R0 is used as a pointer, but to the verifier it is just a number
int hello(void *ctx) {
  u64 task = bpf_get_current_task();
  return *(int *)(task + 8);
}
