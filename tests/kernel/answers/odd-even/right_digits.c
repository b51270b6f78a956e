// right
int hello(void *ctx) {
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  bpf_trace_printk("parity %d", pid % 2);
  return 0;
}
