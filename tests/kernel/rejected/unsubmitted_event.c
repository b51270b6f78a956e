// TRACEPOINT -> unreleased, line 9: event is neither submitted nor released on this path
BPF_RINGBUF_OUTPUT(events, 1);
int hello(void *ctx) {
  u64 *event = events.ringbuf_reserve(sizeof(u64));
  if (!event)
    return 0;
  *event = bpf_ktime_get_ns();
  return 0;
}
