"""A CAN bus on a Unix socket: what the gateway's `interface: "unix:PATH"` connects to."""

import contextlib
import pathlib
import queue
import socket
import struct
import tempfile
import threading

EXTENDED, ERROR = 0x80000000, 0x20000000
_LAYOUT = struct.Struct("<IB3x8s")  # struct can_frame of <linux/can.h>


class CanBus:
    """`say(identifier, data)` is another node's frame; `heard` has those of the gateway as (identifier, data)."""

    def __init__(self):
        # The path of a Unix socket has 107 bytes, and those of tests are long.
        self._directory = tempfile.TemporaryDirectory(prefix="ferrule-can-")
        self.path = pathlib.Path(self._directory.name) / "bus"
        self.interface = f"unix:{self.path}"
        self.heard = queue.Queue()
        self._gateway = None
        self._listening = None

    def begin(self):
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.bind(str(self.path))
        self._listening.listen(1)
        self._listening.settimeout(30)
        self._gateway, _ = self._listening.accept()
        threading.Thread(target=self._hear, args=[self._gateway], daemon=True).start()
        return self

    def say(self, identifier: int, data: bytes):
        self._gateway.send(_LAYOUT.pack(identifier, len(data), data))

    def end(self):
        if self._gateway is not None:
            with contextlib.suppress(OSError):  # the gateway may be gone
                self._gateway.shutdown(socket.SHUT_RDWR)  # closing alone does not wake who reads
            self._gateway.close()
        if self._listening is not None:
            self._listening.close()
        self._gateway = self._listening = None
        self.path.unlink(missing_ok=True)

    def _hear(self, connection):
        while True:
            try:
                packet = connection.recv(128)
            except OSError:
                return
            if not packet:
                return
            identifier, size, data = _LAYOUT.unpack(packet)
            self.heard.put((identifier, data[:size]))

    def close(self):
        self.end()
        self._directory.cleanup()
