// TRACEPOINT -> null-check, line 5: event may be NULL here, and the program has not checked it
BPF_RINGBUF_OUTPUT(events, 1);
int hello(void *ctx) {
  u64 *event = events.ringbuf_reserve(sizeof(u64));
  *event = bpf_ktime_get_ns();
  events.ringbuf_submit(event, 0);
  return 0;
}
