// SOCKET_FILTER without CAP_PERFMON -> leak, line 3: an address of the kernel would get out: skb is a pointer
int filter(struct __sk_buff *skb) {
  return (long)skb;
}
