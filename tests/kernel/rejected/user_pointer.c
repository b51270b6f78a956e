// TRACEPOINT -> not-a-pointer, line 3: the value in R1 is used as a pointer, but to the verifier it is just a number
TRACEPOINT_PROBE(syscalls, sys_enter_execve) {
  if (*(args->filename + 1) == 'b')
    bpf_trace_printk("b");
  return 0;
}
