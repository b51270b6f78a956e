// SOCKET_FILTER without CAP_PERFMON -> uninitialised-stack, line 5: a variable is read, and some of its bytes were never written
BPF_HASH(counter_table);
int filter(struct __sk_buff *skb) {
  u64 length;
  u64 *p = counter_table.lookup(&length);
  if (p)
    *p += 1;
  return 0;
}
