"""One address in front of several servers: what a fleet connects to."""

import itertools
import socket
import time

from rig.cloud import Link


class Balancer(Link):
    """A TCP relay to the `targets` in turn, those left out that do not accept. `attempts`: when each connection was asked for, in
    seconds of the monotonic clock."""

    def __init__(self, targets: list):
        self._turns = itertools.count()
        self.targets = targets
        self.attempts = []
        super().__init__(target=0)

    def _reach(self) -> socket.socket:
        self.attempts.append(time.monotonic())
        first = next(self._turns)
        for i in range(len(self.targets)):
            try:
                far = socket.create_connection(("127.0.0.1", self.targets[(first + i) % len(self.targets)]), timeout=5)
            except OSError:
                continue
            far.settimeout(None)  # a server that is silent for longer is busy
            return far
        raise OSError("no server accepts")

    def attempts_since(self, since: float) -> list:
        return [at for at in list(self.attempts) if at >= since]


def busiest(attempts: list, window: float) -> int:
    """The most attempts within any `window` seconds."""
    ordered = sorted(attempts)
    return max((sum(first <= at < first + window for at in ordered[i:]) for i, first in enumerate(ordered)), default=0)
