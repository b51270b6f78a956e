// right
BPF_PERF_OUTPUT(output);

struct data_t {
  u32 pid;
  u32 thread;
  char command[16];
  char name[100];
};

TRACEPOINT_PROBE(syscalls, sys_enter_openat) {
  struct data_t data = {};
  u64 both = bpf_get_current_pid_tgid();
  data.pid = both >> 32;
  data.thread = both;
  bpf_get_current_comm(&data.command, sizeof(data.command));
  bpf_probe_read_user_str(&data.name, sizeof(data.name), args->filename);
  output.perf_submit(args, &data, sizeof(data));
  return 0;
}
