"""The gateway under test as a process."""

import json
import os
import pathlib
import signal
import socket
import tempfile
import time

from rig.ports import free_port
from rig.process import Process, wait_until

BINARY = os.environ.get("FERRULE", str(pathlib.Path(__file__).parents[3] / "build/dev/gateway/ferrule"))
_SANITIZER_REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Gateway:
    """`ferrule run` on a configuration given as sections (JSON is YAML). Its broker listens on `port`."""

    def __init__(self, directory: pathlib.Path, sections: dict):
        directory.mkdir(exist_ok=True)
        self.port = free_port()
        self.state_dir = directory / "state"
        # The path of a Unix socket has 107 bytes, and those of tests are long.
        self._short = tempfile.TemporaryDirectory(prefix="ferrule-")
        self.control = pathlib.Path(self._short.name) / "control.sock"
        self.file = directory / "ferrule.yaml"
        self.process = None
        self.config = {
            "version": 1,
            "gateway": {"id": "plant1", "state_dir": str(self.state_dir), "control": str(self.control)},
            "broker": {"listen": [{"port": self.port, "bind": "127.0.0.1"}]},
            **sections,
        }
        self.write()

    def write(self):
        self.file.write_text(json.dumps(self.config, indent=1, ensure_ascii=False))

    def spawn(self, env=None):
        """Starts the process and returns at once."""
        self.process = Process([BINARY, "run", self.file], env={**os.environ, **(env or {})})
        return self

    def start(self, env=None):
        """Starts the process and returns when its broker accepts."""
        self.spawn(env)
        wait_until(lambda: accepts(self.port) or not self.process.running, 20, "the broker accepts")
        assert self.process.running, f"the gateway ended: {self.process.stderr_text}"
        return self

    def stop(self, number=signal.SIGTERM, within: float = 20.0) -> float:
        """Stops the gateway by a signal; it has to exit with 0. Returns how long that took, in seconds."""
        began = time.monotonic()
        self.process.signal(number)
        code = self.process.wait(within)
        took = time.monotonic() - began
        assert code == 0, f"exit code {code}: {self.process.stderr_text}"
        self.check_sanitizers()
        return took

    def kill(self):
        self.process.kill()
        self.check_sanitizers()

    def check_sanitizers(self):
        for report in _SANITIZER_REPORTS:
            assert report not in self.process.stderr_text, self.process.stderr_text

    def close(self):
        """What a fixture does in the end: whatever the test left running has to stop cleanly."""
        if self.process is not None and self.process.running:
            self.stop()
        self._short.cleanup()
        if self.process is not None:
            print("--- gateway:\n" + self.process.stderr_text)
