"""A cloud that does with what it gets what a test tells it to; in MQTT 5 or 3.1.1, as it is asked."""

import select
import socket
import struct
import threading
import time

from rig.ports import free_port

_CONNECT, _PUBLISH, _PUBREL, _SUBSCRIBE, _PINGREQ = 1, 3, 6, 8, 12
ACCEPTED = b"\x20\3\0\0\0"  # CONNACK of MQTT 5


def disconnect(reason: int) -> bytes:
    return bytes([0xE0, 2, reason, 0])


class Publish:
    """One PUBLISH as it came, and when."""

    def __init__(self, version: int, flags: int, body: bytes):
        size = struct.unpack(">H", body[:2])[0]
        self.at = time.monotonic()
        self.qos, self.topic, at = flags >> 1 & 3, body[2:2 + size].decode(), 2 + size
        self.packet_id = 0
        if self.qos:
            self.packet_id, at = struct.unpack(">H", body[at:at + 2])[0], at + 2
        length, at = _length(body, at) if version == 5 else (0, at)
        self.payload = body[at + length:].decode()


def _length(data: bytes, at: int):
    """A variable byte integer and what begins behind it; ValueError where it is not there as a whole."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(data):
            raise ValueError
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            break
    return value, at


class Connection:
    """One client that speaks `version`. `unacknowledged` are the PUBLISHes that nothing was said to, in order."""

    def __init__(self, client: socket.socket):
        self.client, self.version = client, 0
        self.began = time.monotonic()
        self.unacknowledged = []

    def send(self, data: bytes):
        self.client.sendall(data)

    def acknowledge(self, publish: Publish, reason: int = 0):
        """With PUBACK, or PUBREC."""
        self.unacknowledged.remove(publish)
        said = bytes([reason]) if self.version == 5 else b""
        self.send(bytes([0x40 if publish.qos == 1 else 0x50, 2 + len(said)]) + struct.pack(">H", publish.packet_id) + said)

    def accept(self):
        """Without a session that it had before."""
        self.send(ACCEPTED if self.version == 5 else b"\x20\2\0\0")

    def hang_up(self):
        raise ConnectionAbortedError


class StrangeCloud:
    """Listens on `port`, for one client at a time. Each CONNECT is answered by `on_connect(connection)`, each PUBLISH by
    `on_publish(connection, publish)`, and `on_idle(connection)` is called every 20 ms. `connects` are the times of the CONNECTs, `publishes`
    all that came, in order."""

    def __init__(self):
        self.port = free_port()
        self.connects, self.publishes = [], []
        self.on_connect = lambda connection: connection.accept()
        self.on_publish = lambda connection, publish: connection.acknowledge(publish)
        self.on_idle = lambda connection: None
        self.most_unacknowledged = 0
        self._open = True
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._listening.settimeout(0.1)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def payloads(self) -> list:
        return [publish.payload for publish in list(self.publishes)]

    def close(self):
        self._open = False
        self._thread.join(10)
        self._listening.close()

    def _accept(self):
        while self._open:
            try:
                client, _ = self._listening.accept()
            except TimeoutError:
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._serve(Connection(client))
            except OSError:
                pass  # one of us has hung up
            client.close()

    def _serve(self, connection: Connection):
        data = b""
        while self._open:
            if select.select([connection.client], [], [], 0.02)[0]:
                more = connection.client.recv(65536)
                if not more:
                    return
                data += more
                data = self._take(connection, data)
            self.on_idle(connection)

    def _take(self, connection: Connection, data: bytes) -> bytes:
        """What is left of it behind the last whole packet."""
        while len(data) > 1:
            try:
                length, begin = _length(data, 1)
            except ValueError:
                break
            if len(data) < begin + length:
                break
            self._handle(connection, data[0], data[begin:begin + length])
            data = data[begin + length:]
        return data

    def _handle(self, connection: Connection, first: int, body: bytes):
        kind = first >> 4
        if kind == _CONNECT:
            connection.version = body[6]
            self.connects.append(time.monotonic())
            self.on_connect(connection)
        elif kind == _PUBLISH:
            publish = Publish(connection.version, first & 15, body)
            self.publishes.append(publish)
            connection.unacknowledged.append(publish)
            self.most_unacknowledged = max(self.most_unacknowledged, len(connection.unacknowledged))
            self.on_publish(connection, publish)
        elif kind == _PUBREL:
            connection.send(b"\x70\2" + body[:2])
        elif kind == _SUBSCRIBE:
            connection.send(b"\x90\4" + body[:2] + b"\0\1" if connection.version == 5 else b"\x90\3" + body[:2] + b"\1")
        elif kind == _PINGREQ:
            connection.send(b"\xd0\0")
