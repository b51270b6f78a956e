"""The kernel as this package meets it: its ABI, system calls, tracefs, headers, and what it tells of programs and maps."""
