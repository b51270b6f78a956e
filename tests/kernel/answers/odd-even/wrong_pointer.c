// wrong: a text behind a pointer does not exist
int hello(void *ctx) {
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  char *message = pid % 2 ? "odd" : "even";
  bpf_trace_printk("%s", message);
  return 0;
}
