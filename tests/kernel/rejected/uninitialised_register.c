// TRACEPOINT -> uninitialised-variable, line 4: a value is used that was never set
int hello(void *ctx) {
  int answer;
  return answer;
}
