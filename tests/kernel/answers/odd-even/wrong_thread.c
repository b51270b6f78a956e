// wrong: the thread's number decides
int hello(void *ctx) {
  u32 pid = bpf_get_current_pid_tgid();
  if (pid & 1)
    bpf_trace_printk("odd");
  else
    bpf_trace_printk("even");
  return 0;
}
