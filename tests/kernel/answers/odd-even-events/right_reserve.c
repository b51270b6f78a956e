// right
BPF_RINGBUF_OUTPUT(output, 16);

struct data_t {
  u32 pid;
  char message[12];
};

int hello(void *ctx) {
  struct data_t *data = output.ringbuf_reserve(sizeof(struct data_t));
  if (!data)
    return 0;
  data->pid = bpf_get_current_pid_tgid() >> 32;
  __builtin_memset(data->message, 0, sizeof(data->message));
  data->message[0] = data->pid & 1 ? 'o' : 'e';
  output.ringbuf_submit(data, 0);
  return 0;
}
