// TRACEPOINT
struct data_t { u32 pid; u64 time; };
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  struct data_t data;
  data.pid = bpf_get_current_pid_tgid() >> 32;
  data.time = bpf_ktime_get_ns();
  output.perf_submit(ctx, &data, sizeof(data));
  return 0;
}
