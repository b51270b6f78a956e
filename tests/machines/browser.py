"""The lab in a machine, as a learner's browser uses it: by the address that the machine printed."""

import json
import re
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from shared import say
from websocket import WebSocket, create_connection  # of websocket-client, which jupyter_server brings


class Lab:
    """The server behind the address and the token of ``printed``."""

    def __init__(self, printed: str) -> None:
        self.base, self.token = re.findall(r"(http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)", printed)[-1]

    def get(self, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.base}/api/{path}", headers=headers, **more)
        return json.loads(urllib.request.urlopen(request, timeout=120).read() or "null")

    def requires_the_token(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.base}/api/contents", timeout=120)
        except urllib.error.HTTPError as e:
            return e.code == 403
        return False

    def write(self, path: str, text: str) -> None:
        """Make a file in the project's folder."""
        content = {"type": "file", "format": "text", "content": text}
        self.get(f"contents/{path}", data=json.dumps(content).encode(), method="PUT")

    def run_notebook(self, path: str) -> str:
        """Run all cells as JupyterLab does; returns the text of all outputs, and raises errors of cells without raises-exception."""
        cells = self.get(f"contents/{path}")["content"]["cells"]
        body = {"path": path, "type": "notebook", "name": path, "kernel": {"name": "python3"}}
        session = self.get("sessions", data=json.dumps(body).encode(), method="POST")
        address = f"{self.base.replace('http', 'ws')}/api/kernels/{session['kernel']['id']}/channels"
        channels = create_connection(address, header=[f"Authorization: token {self.token}"], timeout=600)
        texts = []
        for cell in cells:
            if cell["cell_type"] == "code":
                began = time.monotonic()
                outputs = execute(channels, cell["source"])
                line = cell["source"].splitlines()[0][:70]
                say(f"  {line:70} {time.monotonic() - began:5.1f} s")
                for output in outputs:
                    if "ename" in output and "raises-exception" not in cell["metadata"].get("tags", []):
                        raise AssertionError("\n".join(output["traceback"]))
                    texts.append(json.dumps(output))
        channels.close()
        self.get(f"sessions/{session['id']}", method="DELETE")
        return "\n".join(texts)


def execute(channels: WebSocket, code: str) -> list[dict[str, Any]]:
    """Run one cell through the kernel's channels; returns its outputs once it has ended."""
    number = uuid.uuid4().hex
    header = {
        "msg_id": number,
        "msg_type": "execute_request",
        "session": number,
        "username": "",
        "version": "5.3",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "allow_stdin": False,
        "stop_on_error": False,
    }
    message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
    channels.send(json.dumps(message))
    outputs, replied, idle = [], False, False
    while not (replied and idle):
        got = json.loads(channels.recv())
        if got["parent_header"].get("msg_id") != number:
            continue
        kind, content = got["header"]["msg_type"], got["content"]
        replied |= kind == "execute_reply"
        idle |= kind == "status" and content["execution_state"] == "idle"
        if kind in ("stream", "display_data", "execute_result", "error"):
            outputs.append(content)
    return outputs
