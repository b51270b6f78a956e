// wrong: the process's is the upper half
#include <uapi/linux/ptrace.h>

BPF_PROG_ARRAY(syscall, 512);
BPF_ARRAY(jumps, u64, 513);
BPF_RINGBUF_OUTPUT(output, 16);

struct event {
  u32 pid;
  char name[64];
};

int hello(struct bpf_raw_tracepoint_args *ctx) {
  u32 number = ctx->args[1];
  u32 uid = bpf_get_current_uid_gid();
  if (uid != WATCHED)
    return 0;
  syscall.call(ctx, number);
  jumps.atomic_increment(512);
  return 0;
}

int hello_chdir(struct bpf_raw_tracepoint_args *ctx) {
  u32 number = ctx->args[1];
  struct event event = {bpf_get_current_pid_tgid()};
  struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
  const char *folder;
  jumps.atomic_increment(number);
  bpf_probe_read_kernel(&folder, sizeof(folder), &PT_REGS_PARM1(regs));
  bpf_probe_read_user_str(&event.name, sizeof(event.name), folder);
  output.ringbuf_output(&event, sizeof(event), 0);
  return 0;
}
