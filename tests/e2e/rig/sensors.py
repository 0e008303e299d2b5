"""Serial sensors at one end of a socat pty pair."""

import os
import pathlib
import threading

from rig.process import Process, wait_until


class Sensor:
    """`path` is the gateway's end. `say(bytes)` talks; with `answers` it answers requests, bytes by bytes."""

    def __init__(self, directory: pathlib.Path, answers: dict[bytes, bytes] | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "gateway"
        far = directory / "sensor"
        self.wire = Process(["socat", f"pty,raw,echo=0,link={self.path}", f"pty,raw,echo=0,link={far}"])
        wait_until(lambda: self.path.exists() and far.exists(), 10, "socat made the pty pair")
        self.descriptor = os.open(far, os.O_RDWR | os.O_NOCTTY)
        self.answers = answers or {}
        if answers:
            threading.Thread(target=self._answer, daemon=True).start()

    def say(self, data: bytes):
        os.write(self.descriptor, data)

    def _answer(self):
        heard = b""
        while True:
            try:
                heard += os.read(self.descriptor, 256)
            except OSError:
                return
            for request in [request for request in self.answers if request in heard]:
                heard = b""
                self.say(self.answers[request])

    def close(self):
        self.wire.kill()
        os.close(self.descriptor)
