// TRACEPOINT -> constant-size, line 5: bpf_ringbuf_reserve() expects a constant size, and gets size (a number from 0 to 63)
BPF_RINGBUF_OUTPUT(events, 1);
int hello(void *ctx) {
  u64 size = bpf_get_prandom_u32() & 63;
  u64 *event = events.ringbuf_reserve(size);
  if (event)
    events.ringbuf_discard(event, 0);
  return 0;
}
