// TRACEPOINT -> license, line 4: bpf_trace_printk() may be called only by a program under a licence compatible with the GPL
#define BPF_LICENSE Proprietary
int hello(void *ctx) {
  bpf_trace_printk("Hello World!");
  return 0;
}
