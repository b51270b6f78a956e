"""What the process lacks, what the kernel was built without, and names that the program does not have."""

from .explanation import Explanation

_OTHER_PROGRAM = (
    "if a later cell has loaded another program into this variable, run the cell that loads yours again."
)

MACHINE = [
    Explanation(
        "capabilities",
        meaning="The kernel does not let this process {action}: it lacks {missing}.",
        why="a BPF program can see what every process on the machine does, so the kernel asks for a capability for each kind of use.",
        fixes=("open the lab with ./lab: its notebooks get them. Elsewhere, as root: sudo.",),
        example="The kernel does not let this process load hello: it lacks CAP_PERFMON (to load programs that trace).",
    ),
    Explanation(
        "program-type",
        meaning="The kernel rejected {function} as this type of program: {reason}",
        why="a kernel can be built without some types of program. fentry and LSM programs also need the name of their hook.",
        fixes=("load it as another type: nearly every kernel has tracepoints and raw tracepoints.",),
        example="The kernel rejected hello as this type of program: Operation not permitted",
    ),
    Explanation(
        "map-name",
        meaning="The program has no map named {name!r}; it has: {known}.",
        why='b["name"] looks a map up by the name that the program declares it with.',
        fixes=("use one of the names above.", _OTHER_PROGRAM),
        example="The program has no map named 'counter_tabel'; it has: counter_table.",
    ),
    Explanation(
        "function-name",
        meaning="The program has no function named {name!r}; it has: {known}.",
        why="a function is looked up by the name that the program defines it with. A static function is not a program of its own.",
        fixes=("use one of the names above.", _OTHER_PROGRAM),
        example="The program has no function named 'helo'; it has: hello.",
    ),
    Explanation(
        "not-loaded",
        meaning="{function} is compiled, but not loaded yet, so the kernel has nothing of it to show.",
        why="BPF(text=...) compiles. The kernel gets a function when it is attached, or loaded by itself.",
        fixes=("attach it first, or load it: b.load_func({function!r}, BPF.KPROBE).",),
        example="hello is compiled, but not loaded yet, so the kernel has nothing of it to show.",
    ),
    Explanation(
        "map-of-counts",
        meaning="The map named {name} counts {counted}, so it must be an array of numbers.",
        why="the kernel does not count them. The program can, in a map of this name, which the lab reads.",
        fixes=("declare it so: {declaration}.", "give this map another name."),
        example="The map named jumps counts jumps, so it must be an array of numbers.",
    ),
]  # fmt: skip
