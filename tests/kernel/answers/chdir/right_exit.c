// right
BPF_HASH(folders, u64, const char *);

TRACEPOINT_PROBE(syscalls, sys_enter_chdir) {
  u64 thread = bpf_get_current_pid_tgid();
  const char *folder = args->filename;
  folders.update(&thread, &folder);
  return 0;
}

TRACEPOINT_PROBE(syscalls, sys_exit_chdir) {
  u64 thread = bpf_get_current_pid_tgid();
  const char **folder = folders.lookup(&thread);
  char name[64];
  if (folder == 0)
    return 0;
  if (args->ret == 0 && bpf_probe_read_user_str(name, sizeof(name), *folder) > 0)
    bpf_trace_printk("is now in %s", name);
  folders.delete(&thread);
  return 0;
}
