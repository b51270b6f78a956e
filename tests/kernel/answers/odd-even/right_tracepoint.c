// right
TRACEPOINT_PROBE(syscalls, sys_enter_execve) {
  u64 pid = bpf_get_current_pid_tgid() >> 32;
  if (pid % 2 == 0) {
    bpf_trace_printk("even: %d", pid);
    return 0;
  }
  bpf_trace_printk("not even: %d", pid);
  return 0;
}
