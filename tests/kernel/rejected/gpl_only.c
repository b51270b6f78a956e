// TRACEPOINT -> license, line 4: only a program under a GPL-compatible licence can call bpf_trace_printk()
#define BPF_LICENSE Proprietary
int hello(void *ctx) {
  bpf_trace_printk("Hello World!");
  return 0;
}
