// TRACEPOINT -> null-check, line 7: name may be NULL here, and the program has not checked it
struct name { char text[16]; };
BPF_HASH(names, u32, struct name);
int hello(void *ctx) {
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  struct name *name = names.lookup(&pid);
  bpf_get_current_comm(name, sizeof(*name));
  return 0;
}
