"""A real browser with one page, driven from outside."""

import json
import pathlib
import socket

from rig.clients import javascript_env
from rig.process import SLOWNESS, Process, wait_until


class Browser:
    """Chromium by playwright-core."""

    def __init__(self):
        script = pathlib.Path(__file__).parents[1] / "js/page.js"
        self.process = Process(["node", script], env=javascript_env())
        wait_until(lambda: self.process.out or not self.process.running, 60, "Chromium runs")
        assert self.process.running, self.process.stderr_text
        self._socket = socket.create_connection(("127.0.0.1", int(self.process.out[0])), timeout=60 * SLOWNESS)
        self._lines = self._socket.makefile("rw")

    def do(self, what: str, **how):
        self._lines.write(json.dumps({"do": what, **how}) + "\n")
        self._lines.flush()
        answer = json.loads(self._lines.readline())
        assert "error" not in answer, answer
        return answer["value"]

    def evaluate(self, script: str):
        return self.do("evaluate", script=script)

    def text(self, selector: str) -> str:
        """What stands there; empty when nothing is there."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")

    def wait_for(self, selector: str, words: str, timeout: float = 20):
        try:
            wait_until(lambda: words in self.text(selector), timeout, f"{selector} says {words!r}")
        except AssertionError:
            raise AssertionError(f"{selector} says {self.text(selector)!r} instead of {words!r}") from None

    def close(self):
        self._socket.close()
        self.process.kill()
