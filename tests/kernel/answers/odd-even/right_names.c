// right
int hello(void *ctx) {
  char name[16];
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(&name, sizeof(name));
  bpf_trace_printk("Hello World!");
  if (pid & 1)
    bpf_trace_printk("%s (%d) is odd", name, pid);
  if (!(pid & 1))
    bpf_trace_printk("%s (%d) is even", name, pid);
  return 0;
}
