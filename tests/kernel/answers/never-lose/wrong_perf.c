// wrong: output is no ring buffer
BPF_PERF_OUTPUT(output);

struct event {
  u64 time;
  u32 cpu;
  char text[28];
};

int burst(struct __sk_buff *skb) {
  struct event event = {.time = bpf_ktime_get_ns(), .cpu = bpf_get_smp_processor_id(), .text = "Hello World"};
  output.perf_submit(skb, &event, sizeof(event));
  return 0;
}
