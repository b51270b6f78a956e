"""JupyterLab's server, which prints its URL and token last, alone on a line.

``jupyter lab`` prints them too, then a page of messages of its extensions. It is run as
``python -m ebpf_lab.setup.jupyterlab ARGUMENTS`` by the Python that has JupyterLab.
"""

import sys


def main(arguments: list[str]) -> None:
    """``jupyter lab ARGUMENTS``, with warnings and errors only (jupyterlab/labapp.py: LabApp.launch_instance)."""
    from jupyterlab.labapp import LabApp

    server = LabApp.initialize_server(argv=["--Application.log_level=WARN", *arguments])
    server.io_loop.add_callback(print, server.local_url, flush=True)  # It answers from now on.
    server.identity_provider.token_generated = False  # It would print the URL first, among other lines.
    server.start()


if __name__ == "__main__":
    main(sys.argv[1:])
