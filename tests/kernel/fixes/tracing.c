// TRACEPOINT
#define BPF_LICENSE GPL
#include <linux/sched.h>
#include <uapi/linux/ptrace.h>
struct data_t { u64 time; u32 pid; };
struct my_key { u32 pid; };
struct big { char bytes[4096]; };
BPF_HASH(counter_table);
BPF_HASH(counts, u32, u32);
BPF_ARRAY(names, struct big, 1);
BPF_ARRAY(numbered, u64, 1);
BPF_PERCPU_ARRAY(scratch, struct big, 1);
BPF_PERF_OUTPUT(events);
BPF_RINGBUF_OUTPUT(output, 1);
static inline int twice(int n) { return 2 * n; }

int prints(void *ctx) {
  char name[16];
  // counts calls
  bpf_get_current_comm(&name, sizeof(name));
  bpf_trace_printk("...");
  bpf_trace_printk("%s", name);
  return 0;
}

int compares(void *ctx) {
  char comm[16], name[] = "bash";
  bpf_get_current_comm(&comm, sizeof(comm));
  for (int i = 0; i < sizeof(name); i++) if (comm[i] != name[i]) return 0;
  return 1;
}

int calculates(void *ctx) {
  u32 pid = 0;
  int answer = 0;
  u32 a = bpf_ktime_get_ns(), b = 7;
  u32 low = a < b ? a : b;
  for (int i = 0; i < 10; i++) answer += twice(i);
  for (int i = 0; i < 100; i++) answer += low;
  pid = bpf_get_current_pid_tgid();
  return pid + answer;
}

int divides(void *ctx) {
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  return pid % 2 + (pid & 1);
}

int copies(void *ctx) {
  struct data_t data = {}, copy;
  memset(&data, 0, sizeof(data));
  __builtin_memset(&data, 0, sizeof(data));
  data.pid = bpf_get_current_pid_tgid() >> 32;
  memcpy(&copy, &data, sizeof(copy));
  __builtin_memcpy(&copy, &data, sizeof(copy));
  events.perf_submit(ctx, &data, sizeof(data));
  return copy.pid;
}

int reads(void *ctx) {
  char text[16];
  u64 copy, address = (u64)bpf_get_current_task();
  bpf_probe_read_kernel(&copy, sizeof(copy), (void *)address);
  bpf_probe_read_user_str(text, sizeof(text), (void *)address);
  return copy + text[0];
}

int looks_up(void *ctx) {
  int zero = 0;
  u64 uid = 0;
  u64 number = 1;
  counter_table.increment(uid);
  counter_table.update(&uid, &number);
  u64 *value = counter_table.lookup(&uid);
  if (value) *value += 1;
  u64 *p = counter_table.lookup(&uid);
  if (p) { *p += 1; }
  if (!p) return 0;
  *p += 1;
  struct big *big = scratch.lookup(&zero);
  return big ? big->bytes[0] : 0;
}

int checks_an_index(void *ctx) {
  int zero = 0;
  struct big *big = names.lookup(&zero);
  u64 i = bpf_get_current_uid_gid();
  if (!big) return 0;
  char masked = big->bytes[i & 7];
  if (i >= 16) return 0;
  return big->bytes[i] + masked;
}

int checks_an_index_of_the_stack(void *ctx) {
  char name[16] = {};
  bpf_get_current_comm(&name, sizeof(name));
  u64 i = bpf_get_current_uid_gid();
  if (i >= sizeof(name)) return 0;
  return name[i];
}

int limits_a_length(void *ctx) {
  char buffer[16] = {};
  u64 n = bpf_get_current_uid_gid();
  if (n > sizeof(buffer)) n = sizeof(buffer);
  bpf_probe_read_kernel(buffer, n, ctx);
  return buffer[0];
}

int masks_a_length(void *ctx) {
  char buffer[16] = {};
  u64 n = bpf_get_current_uid_gid();
  bpf_probe_read_kernel(buffer, n & 15, ctx);
  return buffer[0];
}

int numbers(void *ctx) {
  int zero = 0;
  u64 *n = numbered.lookup(&zero);
  if (!n) return 0;
  u64 before = *n;
  *n += 1;
  __sync_fetch_and_add(n, 1);
  return before;
}

int submits(void *ctx) {
  struct data_t *p = output.ringbuf_reserve(sizeof(struct data_t));
  if (!p) return 0;
  p->pid = bpf_get_current_pid_tgid() >> 32;
  if (p->pid & 1)
    output.ringbuf_submit(p, 0);
  else
    output.ringbuf_discard(p, 0);
  return 0;
}

int sends(void *ctx) {
  struct data_t data = {};
  u64 size = bpf_get_current_uid_gid();
  output.ringbuf_output(&data, sizeof(data), 0);
  if (size > sizeof(data)) size = sizeof(data);
  output.ringbuf_output(&data, size, 0);
  return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_openat) { return args->dfd; }
TRACEPOINT_PROBE(syscalls, sys_enter_execve) { return 0; }
TRACEPOINT_PROBE(syscalls, sys_enter_chdir) { return 0; }
TRACEPOINT_PROBE(syscalls, sys_exit_chdir) { return args->ret; }
