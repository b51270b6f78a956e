// right
BPF_RINGBUF_OUTPUT(output, 256);

struct data_t {
  u32 pid;
  char name[64];
};

TRACEPOINT_PROBE(syscalls, sys_enter_openat) {
  struct data_t *data = output.ringbuf_reserve(sizeof(struct data_t));
  if (!data)
    return 0;
  data->pid = bpf_get_current_pid_tgid() >> 32;
  if (bpf_probe_read_user_str(&data->name, sizeof(data->name), args->filename) < 0)
    output.ringbuf_discard(data, 0);
  else
    output.ringbuf_submit(data, 0);
  return 0;
}
