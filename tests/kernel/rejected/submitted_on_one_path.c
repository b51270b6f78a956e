// TRACEPOINT -> unreleased, line 12: event is neither submitted nor released on this path
BPF_RINGBUF_OUTPUT(events, 1);
int hello(void *ctx) {
  u64 *event = events.ringbuf_reserve(sizeof(u64));
  if (!event)
    return 0;
  *event = bpf_get_current_uid_gid();
  if (*event == 0)
    return 0;
  events.ringbuf_submit(event, 0);
  return 0;
}
