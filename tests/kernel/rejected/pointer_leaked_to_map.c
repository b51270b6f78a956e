// SOCKET_FILTER without CAP_PERFMON -> leak, line 7: this would leak a kernel address: skb is a pointer
BPF_ARRAY(addresses, u64, 1);
int filter(struct __sk_buff *skb) {
  int zero = 0;
  u64 *address = addresses.lookup(&zero);
  if (address)
    *address = (u64)skb;
  return 0;
}
