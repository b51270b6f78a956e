"""What apt-get installs next: ./lab asks until there is nothing more, for a package may turn out not to help.

``python -m ebpf_lab.setup.apt [--unread] WANTED ...`` prints names of packages. Where nothing is left to install for
something, that is noted (unavailable.py), and said; without what is not optional, it stops with the fix. --unread
means that apt-get could not read all of its lists.
"""

import itertools
import sys

from . import needs, packages, stop, unavailable


def main(*arguments: str) -> None:
    """Print the names, one per line."""
    missing = [each for each in arguments if each != "--unread" and not needs.is_here(each)]
    options = {each: packages.candidates(each) for each in missing}
    names = [found[0] for found in options.values() if found]
    if names:
        print(*dict.fromkeys(itertools.chain(*names)), sep="\n")
    elif missing:
        give_up(missing, unread="--unread" in arguments)


def give_up(missing: list[str], unread: bool) -> None:
    """Say what no package brings, and note it if all lists were read; stop if the lab can't do without it."""
    for each in missing:
        if each in packages.OPTIONAL:
            print(f"lab: no package here brings {each}: {packages.OPTIONAL[each]}", file=sys.stderr)
    if not unread:
        unavailable.remember(missing)
        needs.stop_without(missing)
    elif needed := [each for each in missing if each not in packages.OPTIONAL]:
        stop(
            f"apt-get could not read all of its lists, and found no package for {', '.join(needed)}",
            "see its output above, check the network, then run ./lab again",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
