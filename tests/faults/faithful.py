"""A publisher that keeps its session: what was not acknowledged it repeats, as MQTT asks of it. One of our own, because paho-python
(1.6, 2.1) repeats a PUBLISH without DUP, and after its PUBREL, once a connection attempt has failed."""

import select
import socket
import struct
import threading
import time

from ledger import TOPICS
from rig.clients import new_client_id

_CONNACK, _PUBACK, _PUBREC, _PUBREL, _PUBCOMP = 0x20, 0x40, 0x50, 0x62, 0x70


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _packet(first: int, body: bytes) -> bytes:
    length = len(body)
    assert length < 16384
    return bytes([first]) + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])) + body


class FaithfulPublisher:
    """Publishes 1, 2, 3 ... over TOPICS in turn (MQTT 3.1.1) in a session that lasts, at most `window` of them unacknowledged. After
    each loss of the connection it comes back and repeats, in order, each PUBLISH without its PUBACK or PUBREC, with DUP, and
    each PUBREL without its PUBCOMP: so all that it ever published has to arrive, at QoS 2 once."""

    def __init__(self, port: int, qos: int, per_second: int, window: int = 20, width: int = 1):
        self.port, self.qos, self.window, self.width, self.pause = port, qos, window, width, 1 / per_second
        self.published = 0
        self.acknowledged = []
        self.failure = ""
        self._id = new_client_id()
        self._publishes = {}  # packet id: number, without PUBACK or PUBREC
        self._releases = {}  # likewise, without PUBCOMP
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self, timeout: float = 60):
        """Waits until all is acknowledged; the gateway has to be there."""
        self._stopping.set()
        self._thread.join(timeout)
        assert not self.failure, self.failure
        assert not self._thread.is_alive(), f"not acknowledged: {self._publishes}, {self._releases}"

    def _run(self):
        while not self.failure:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if self._converse(connection):
                        return
            except OSError:
                pass  # the gateway is dead just now
            time.sleep(0.02)

    def _publish(self, packet_id: int, number: int, again: bool) -> bytes:
        body = _text(TOPICS[number % len(TOPICS)]) + struct.pack(">H", packet_id) + str(number).zfill(self.width).encode()
        return _packet(0x30 | self.qos << 1 | (8 if again else 0), body)

    def _converse(self, connection) -> bool:
        """Until the connection ends; true when all is done."""
        connection.sendall(_packet(0x10, _text("MQTT") + bytes([4, 0, 0, 60]) + _text(self._id)))
        received, online, due = b"", False, time.monotonic()
        while True:
            if select.select([connection], [], [], min(self.pause, 0.01))[0]:
                data = connection.recv(65536)
                if not data:
                    return False
                received += data
            output = b""
            while len(received) >= 4:  # every packet that comes is as long
                first, length, packet_id = struct.unpack_from(">BBH", received)
                received = received[4:]
                if length != 2:
                    self.failure = f"a packet {first:02X} of {length} bytes"
                    return True
                if first == _CONNACK:
                    online = True
                    output += b"".join(self._publish(*one, True) for one in self._publishes.items())
                    output += b"".join(_packet(_PUBREL, struct.pack(">H", one)) for one in self._releases)
                else:
                    output += self._acknowledged(first, packet_id)
            if online and not self._stopping.is_set():
                while len(self._publishes) + len(self._releases) < self.window and time.monotonic() >= due:
                    due = max(due + self.pause, time.monotonic() - 0.05)
                    output += self._next()
            elif online and not self._publishes and not self._releases:
                return True
            connection.sendall(output)

    def _next(self) -> bytes:
        self.published += 1
        packet_id = self.published % 60000 + 1
        self._publishes[packet_id] = self.published
        return self._publish(packet_id, self.published, False)

    def _acknowledged(self, first: int, packet_id: int) -> bytes:
        if first == _PUBREC:
            self._releases.setdefault(packet_id, self._publishes.pop(packet_id, None))
            return _packet(_PUBREL, struct.pack(">H", packet_id))
        waiting = self._publishes if first == _PUBACK else self._releases
        if first in (_PUBACK, _PUBCOMP) and packet_id in waiting:
            self.acknowledged.append(waiting.pop(packet_id))
        else:
            self.failure = f"an unexpected {first:02X} for {packet_id}"
        return b""
