"""Free loopback ports that parallel tests do not hand out twice."""

import fcntl
import pathlib
import random
import socket
import tempfile

# Below the range from which the kernel picks ports for outgoing connections, so that none of these takes one meanwhile.
_FIRST, _LAST = 20000, 32000
_held = []


def _reserve(port: int) -> bool:
    directory = pathlib.Path(tempfile.gettempdir()) / "ferrule-e2e-ports"
    directory.mkdir(mode=0o1777, exist_ok=True)
    lock = open(directory / str(port), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        lock.close()
        return False
    _held.append(lock)  # until this process ends
    return True


def free_port() -> int:
    for _ in range(1000):
        port = random.randrange(_FIRST, _LAST)
        if _reserve(port):
            return port
    raise RuntimeError("no free port")
