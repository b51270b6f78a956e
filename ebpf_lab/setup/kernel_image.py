"""The kernel that ``./lab test --kernel`` boots, if this user may read it.

``python -m ebpf_lab.setup.kernel_image debian|FILE`` prints the file.
"""

import os
import sys

from . import packages, stop


def main(kernel: str) -> None:
    """Print the file of a kernel, which for ``debian`` is the distribution's; Ubuntu's has the mode 0600."""
    image = packages.packaged_kernel() if kernel == "debian" else kernel
    if not os.access(image, os.R_OK):
        stop(f"only root may read {image}", f"sudo chmod a+r {image}, then the same command again")
    print(image)


if __name__ == "__main__":
    main(*sys.argv[1:])
