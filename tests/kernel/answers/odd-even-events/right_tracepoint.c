// right
BPF_RINGBUF_OUTPUT(output, 16);

struct data_t {
  u32 pid;
  char message[12];
};

TRACEPOINT_PROBE(syscalls, sys_enter_execve) {
  struct data_t data = {};
  char odd[12] = "odd", even[12] = "even";
  data.pid = bpf_get_current_pid_tgid() >> 32;
  bpf_probe_read_kernel(&data.message, sizeof(data.message), data.pid % 2 ? odd : even);
  output.ringbuf_output(&data, sizeof(data), 0);
  return 0;
}
