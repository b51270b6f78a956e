// TRACEPOINT -> index, line 9: an index is not bounded: cell is a number up to 7, possibly negative
struct row { u64 cells[8]; };
BPF_ARRAY(rows, struct row, 1);
int hello(void *ctx) {
  int zero = 0;
  s64 cell = bpf_ktime_get_ns();
  struct row *row = rows.lookup(&zero);
  if (row && cell < 8)
    row->cells[cell] += 1;
  return 0;
}
