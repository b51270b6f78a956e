// wrong: pids got no message of their own
int hello(void *ctx) {
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  bpf_trace_printk("somebody");
  if (pid & 1)
    bpf_trace_printk("odd");
  return 0;
}
