// SOCKET_FILTER
int filter(struct __sk_buff *skb) {
  return (long)skb;
}
