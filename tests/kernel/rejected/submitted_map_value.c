// TRACEPOINT -> not-a-record, line 8: bpf_ringbuf_submit() expects a reserved record or an acquired object, and gets event (a value of latest (8 bytes))
BPF_RINGBUF_OUTPUT(events, 1);
BPF_ARRAY(latest, u64, 1);
int hello(void *ctx) {
  int zero = 0;
  u64 *event = latest.lookup(&zero);
  if (event)
    events.ringbuf_submit(event, 0);
  return 0;
}
