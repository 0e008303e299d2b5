"""What the benchmarks in Python have in common: MQTT 3.1.1 by hand, without a client that would take longer than what is measured."""

import socket
import time


def counted(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def packet(first: int, body: bytes) -> bytes:
    """With a body of 16,383 bytes at most."""
    length = len(body)
    return bytes([first]) + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])) + body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def reach(port: int) -> socket.socket:
    """A connection to what listens on `port` within 20 s."""
    deadline = time.monotonic() + 20
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing listens on {port}") from None
            time.sleep(0.02)
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def connect(port: int, name: bytes) -> socket.socket:
    """An MQTT client with a session of its connection, once somebody listens."""
    client = reach(port)
    client.sendall(packet(0x10, counted(b"MQTT") + bytes([4, 2, 0, 0]) + counted(name)))
    assert client.recv(4, socket.MSG_WAITALL)[3] == 0
    return client


def take_publications(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Topic and payload of each QoS 0 PUBLISH in what came, and what is left of it: the beginning of a packet."""
    publications, at = [], 0
    while len(data) - at > 4:
        length, body = data[at + 1] & 127, at + 2
        if data[at + 1] & 128:
            length, body = length | data[at + 2] << 7, at + 3
        if len(data) < body + length:
            break
        if data[at] >> 4 == 3:
            topic = body + 2 + int.from_bytes(data[body:body + 2], "big")
            publications.append((data[body + 2:topic], data[topic:body + length]))
        at = body + length
    return publications, data[at:]
