// wrong: ends with its page of memory
TRACEPOINT_PROBE(syscalls, sys_enter_chdir) {
  char name[64];
  bpf_probe_read_user(name, sizeof(name), args->filename);
  bpf_trace_printk("%s", name);
  return 0;
}
