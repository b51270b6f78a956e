// wrong: found no room, but lost went from 0 to 0
BPF_RINGBUF_OUTPUT(output, 32);
BPF_ARRAY(lost, u64, 1);

struct event {
  u64 time;
  u32 cpu;
  char text[28];
};

int burst(struct __sk_buff *skb) {
  struct event event = {.time = bpf_ktime_get_ns(), .cpu = bpf_get_smp_processor_id(), .text = "Hello World"};
  if (output.ringbuf_output(&event, sizeof(event), 0) > 0)
    lost.atomic_increment(0);
  return 0;
}
