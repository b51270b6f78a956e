// SOCKET_FILTER without CAP_PERFMON -> leak, line 3: this would leak a kernel address: skb is a pointer
int filter(struct __sk_buff *skb) {
  return (long)skb;
}
