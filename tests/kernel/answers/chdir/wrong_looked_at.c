// wrong: a process that stayed where it was
TRACEPOINT_PROBE(syscalls, sys_enter_newfstatat) {
  char name[64];
  bpf_probe_read_user_str(name, sizeof(name), args->filename);
  bpf_trace_printk("%s", name);
  return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_chdir) {
  char name[64];
  bpf_probe_read_user_str(name, sizeof(name), args->filename);
  bpf_trace_printk("%s", name);
  return 0;
}
