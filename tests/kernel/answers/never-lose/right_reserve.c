// right
BPF_RINGBUF_OUTPUT(output, 32);
BPF_PERCPU_ARRAY(lost, u64, 1);

struct event {
  u64 time;
  u32 cpu;
  char text[28];
};

int burst(struct __sk_buff *skb) {
  int slot = 0;
  struct event *event = output.ringbuf_reserve(sizeof(struct event));
  if (!event) {
    u64 *n = lost.lookup(&slot);
    if (n)
      *n += 1;
    return 0;
  }
  __builtin_memset(event, 0, sizeof(*event));
  event->time = bpf_ktime_get_ns();
  event->cpu = bpf_get_smp_processor_id();
  __builtin_memcpy(event->text, "Hello World", 12);
  output.ringbuf_submit(event, 0);
  return 0;
}
