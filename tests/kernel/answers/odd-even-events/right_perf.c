// right
BPF_PERF_OUTPUT(output);

struct data_t {
  int pid;
  int uid;
  char message[16];
};

int hello(void *ctx) {
  struct data_t odd = {.message = "is odd"}, even = {.message = "is even"};
  odd.pid = even.pid = bpf_get_current_pid_tgid() >> 32;
  if (odd.pid & 1)
    output.perf_submit(ctx, &odd, sizeof(odd));
  else
    output.perf_submit(ctx, &even, sizeof(even));
  return 0;
}
