// right
BPF_RINGBUF_OUTPUT(output, 256);

struct data_t {
  u32 pid;
  char name[64];
};
BPF_HASH(pointers, u64, const char *);

TRACEPOINT_PROBE(syscalls, sys_enter_openat) {
  u64 thread = bpf_get_current_pid_tgid();
  const char *name = args->filename;
  pointers.update(&thread, &name);
  return 0;
}

TRACEPOINT_PROBE(syscalls, sys_exit_openat) {
  u64 thread = bpf_get_current_pid_tgid();
  const char **name = pointers.lookup(&thread);
  struct data_t data = {thread >> 32};
  if (!name)
    return 0;
  bpf_probe_read_user_str(&data.name, sizeof(data.name), *name);
  output.ringbuf_output(&data, sizeof(data), 0);
  pointers.delete(&thread);
  return 0;
}
