from ebpf_lab.kernel import proginfo


def test_what_the_kernel_withholds_of_a_blinded_program_is_empty(monkeypatch):
    def ask(fd, info):
        if info.xlated_prog_insns:  # kernel/bpf/syscall.c: ends here, with the other pointers as they came
            info.xlated_prog_insns = 0
        info.xlated_prog_len = info.jited_prog_len = 8
        info.nr_jited_ksyms = info.nr_jited_func_lens = info.nr_line_info = info.nr_map_ids = 1
        return info

    monkeypatch.setattr(proginfo, "_ask", ask)
    program = proginfo.Program(0)
    assert (program.xlated, program.jited, program.lines, program.maps) == (b"", [], [], [0])


HEADER = """
	BPF_PROG_TYPE_UNSPEC,
	BPF_PROG_TYPE_SOCKET_FILTER,
	BPF_MAP_TYPE_UNSPEC,
	BPF_MAP_TYPE_HASH,
	BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED,
	BPF_MAP_TYPE_CGROUP_STORAGE = BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED,
	BPF_MAP_TYPE_QUEUE,
	__MAX_BPF_MAP_TYPE
#define ___BPF_FUNC_MAPPER(FN, ctx...)			\\
	FN(unspec, 0, ##ctx)				\\
	FN(map_lookup_elem, 1, ##ctx)			\\
"""


def test_names_are_those_of_the_header(monkeypatch):
    monkeypatch.setattr(proginfo, "_header", lambda: HEADER)
    assert proginfo.name_of("prog_type", 1) == "socket_filter" and proginfo.name_of("map_type", 3) == "queue"
    assert proginfo.helper(1) == "bpf_map_lookup_elem"


def test_without_a_header_numbers_stand_for_names(monkeypatch):
    monkeypatch.setattr(proginfo, "_header", lambda: "")
    assert proginfo.name_of("prog_type", 1) == "type 1" and proginfo.helper(1) == "number 1"
