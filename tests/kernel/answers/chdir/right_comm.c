// right
TRACEPOINT_PROBE(syscalls, sys_enter_chdir) {
  char name[100] = {}, command[16] = {};
  bpf_get_current_comm(command, sizeof(command));
  if (bpf_probe_read_user_str(name, sizeof(name), args->filename) < 0)
    return 0;
  bpf_trace_printk("%s -> %s", command, name);
  return 0;
}
