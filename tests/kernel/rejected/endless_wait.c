// TRACEPOINT -> too-long, line 4: the verifier gave up after a million instructions: a loop is too long, or has no bound
int hello(void *ctx) {
  u64 times = 0;
  while (bpf_ktime_get_ns())
    times++;
  return times;
}
