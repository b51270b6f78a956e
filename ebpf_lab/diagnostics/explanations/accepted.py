"""Programs that textbooks say the verifier rejects, and that it accepts."""

# Name of the program in tests/kernel/accepted -> what it does, and why it is accepted.
ACCEPTED = {
    "uninitialised_key": "A key on the stack that was never set. A process with CAP_PERFMON may read uninitialised stack (Linux 6.4, and later updates of 6.1).",
    "uninitialised_event": "A struct with padding, filled field by field. The padding is uninitialised stack, too.",
    "pointer_leaked": "A pointer as return value, or in a map: a process with CAP_PERFMON may learn addresses. Without it both are rejected.",
    "no_return": "A function with a path that has no return: the behaviour is undefined in C, and clang makes the shortest code of it. Here it returns some value.",
    "wrong_hook": "An XDP function that uses another hook's context: the bytes that it reads exist there, but they mean something else.",
}
