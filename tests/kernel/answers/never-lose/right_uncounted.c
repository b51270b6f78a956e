// right
BPF_RINGBUF_OUTPUT(output, 32);

struct event {
  u64 time;
  u32 cpu;
  char text[28];
};

int burst(struct __sk_buff *skb) {
  struct event event = {.time = bpf_ktime_get_ns(), .cpu = bpf_get_smp_processor_id(), .text = "Hello World"};
  output.ringbuf_output(&event, sizeof(event), BPF_RB_NO_WAKEUP);
  return 0;
}
