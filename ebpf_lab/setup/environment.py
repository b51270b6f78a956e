"""Whether the Python that runs this has all that pyproject.toml asks for, in the versions it asks for.

``PYTHON -m ebpf_lab.setup.environment`` prints what is missing, and exits 1 if anything is. ./lab asks the Python of an
active conda or virtual environment, and that of .venv.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def missing() -> list[str]:
    """The requirements that this Python does not meet, as pyproject.toml writes them."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- an active environment may have an old Python
        return ["Python 3.11"]
    import tomllib  # in Python since 3.11

    try:
        from packaging.requirements import Requirement
    except ImportError:
        return ["jupyterlab"]  # which brings packaging
    wanted = map(Requirement, tomllib.loads(PROJECT.read_text())["project"]["dependencies"])
    return [str(each) for each in wanted if not each.specifier.contains(_version(each.name))]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"


if __name__ == "__main__":
    print(lacks := ", ".join(missing()))
    sys.exit(bool(lacks))
