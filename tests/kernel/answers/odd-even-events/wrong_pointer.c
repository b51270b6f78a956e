// wrong: a text behind a pointer does not exist
BPF_RINGBUF_OUTPUT(output, 16);

struct data_t {
  u32 pid;
  char message[12];
};

int hello(void *ctx) {
  struct data_t data = {};
  data.pid = bpf_get_current_pid_tgid() >> 32;
  char *message = data.pid % 2 ? "odd" : "even";
  bpf_probe_read_kernel(&data.message, sizeof(data.message), message);
  output.ringbuf_output(&data, sizeof(data), 0);
  return 0;
}
