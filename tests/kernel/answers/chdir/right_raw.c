// right
#include <uapi/linux/ptrace.h>
#include <asm/unistd.h>

RAW_TRACEPOINT_PROBE(sys_enter) {
  struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
  const char *folder;
  char name[128];
  if (ctx->args[1] != __NR_chdir)
    return 0;
  bpf_probe_read_kernel(&folder, sizeof(folder), &PT_REGS_PARM1(regs));
  bpf_probe_read_user_str(name, sizeof(name), folder);
  bpf_trace_printk("%s", name);
  return 0;
}
