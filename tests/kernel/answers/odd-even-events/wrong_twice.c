// wrong: called execve once, and sent 2 events
BPF_RINGBUF_OUTPUT(output, 16);

struct data_t {
  u32 pid;
  char message[12];
};

int hello(void *ctx) {
  struct data_t data = {};
  data.pid = bpf_get_current_pid_tgid() >> 32;
  __builtin_memcpy(&data.message, "odd", 4);
  if (data.pid % 2)
    output.ringbuf_output(&data, sizeof(data), 0);
  __builtin_memcpy(&data.message, "even", 5);
  output.ringbuf_output(&data, sizeof(data), 0);
  return 0;
}
