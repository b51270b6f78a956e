// TRACEPOINT -> released, line 8: event is used after it was submitted or released
BPF_RINGBUF_OUTPUT(events, 1);
int hello(void *ctx) {
  u64 *event = events.ringbuf_reserve(sizeof(u64));
  if (!event)
    return 0;
  events.ringbuf_submit(event, 0);
  *event = bpf_ktime_get_ns();
  return 0;
}
