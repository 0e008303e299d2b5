"""Child processes whose output is collected and which never outlive the test."""

import ctypes
import os
import queue
import signal
import subprocess
import threading
import time

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
# How many times longer than an ordinary one the build under test takes: every timeout of the rig is as many times longer.
SLOWNESS = int(os.environ.get("FERRULE_SLOWNESS", "1"))


def wait_until(condition, timeout: float, what: str):
    """Polls until `condition()` is true and returns its value; fails after `timeout` seconds."""
    timeout *= SLOWNESS
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


class Process:
    """A child with its standard output and error as lists of lines. Start it from the main thread: it dies with its starter."""

    def __init__(self, command, env=None, stdin=None, cwd=None, more_stdin=False):
        self.command = [str(word) for word in command]
        self.child = subprocess.Popen(
            self.command, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", env=env, cwd=cwd,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
        self.out, self.err = [], []
        self.out_queue = queue.Queue()
        self._readers = [threading.Thread(target=self._collect, args=arguments, daemon=True)
                         for arguments in ((self.child.stdout, self.out, self.out_queue), (self.child.stderr, self.err, None))]
        for reader in self._readers:
            reader.start()
        if stdin is not None:
            self.child.stdin.write(stdin)
            if not more_stdin:
                self.child.stdin.close()

    @staticmethod
    def _collect(stream, lines, line_queue):
        for line in stream:
            lines.append(line.rstrip("\n"))
            if line_queue is not None:
                line_queue.put(lines[-1])

    @property
    def running(self) -> bool:
        return self.child.poll() is None

    @property
    def stderr_text(self) -> str:
        return "\n".join(self.err)

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout: float) -> int:
        """The exit code, once all output is collected."""
        code = self.child.wait(timeout * SLOWNESS)
        for reader in self._readers:
            reader.join(5)
        return code

    def kill(self):
        if self.running:
            self.child.kill()
        self.wait(10)
