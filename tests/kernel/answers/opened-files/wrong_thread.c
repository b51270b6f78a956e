// wrong: the process's is the upper half
BPF_RINGBUF_OUTPUT(output, 256);

struct data_t {
  u32 pid;
  char name[64];
};

TRACEPOINT_PROBE(syscalls, sys_enter_openat) {
  struct data_t data = {bpf_get_current_pid_tgid()};
  bpf_probe_read_user_str(&data.name, sizeof(data.name), args->filename);
  output.ringbuf_output(&data, sizeof(data), 0);
  return 0;
}
