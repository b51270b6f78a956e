// wrong: leave its time, its CPU and its text
BPF_RINGBUF_OUTPUT(output, 16);

struct event {
  u64 time;
  u32 cpu;
  char text[12];
};

int burst(struct __sk_buff *skb) {
  struct event event = {.time = bpf_ktime_get_ns(), .text = "Hello"};
  output.ringbuf_output(&event, sizeof(event), 0);
  return 0;
}
