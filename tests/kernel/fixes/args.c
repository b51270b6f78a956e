// TRACEPOINT
int hello(struct tracepoint__syscalls__sys_enter_openat *args) {
  return args->dfd;
}
