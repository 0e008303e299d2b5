#!/usr/bin/python3
"""Queues QoS 1 publications for an offline persistent session, kills the broker in the middle of the stream, starts it again
and counts what the subscriber gets of what was acknowledged: Ferrule, and mosquitto beside it in the same run.

Prints per broker: publications acknowledged, how many of them were lost and whether the order was kept; the rate at which they
were accepted and the broker's CPU time (user + system) for each; the time from start to the first CONNACK, before and after.
"""

import argparse
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PAYLOAD = 64  # bytes
TOPIC = b"bench/queued"


def counted(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def connect_packet(client_id: bytes, clean: bool) -> bytes:
    body = counted(b"MQTT") + bytes([4, 2 if clean else 0]) + (0).to_bytes(2, "big") + counted(client_id)
    return bytes([0x10, len(body)]) + body


def publish_packet(number: int) -> bytes:
    body = counted(TOPIC) + (number % 65535 + 1).to_bytes(2, "big") + str(number).zfill(PAYLOAD).encode()
    return bytes([0x32, len(body)]) + body


class Client:
    def __init__(self, port: int, client_id: bytes, clean: bool):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(connect_packet(client_id, clean))
        self.connack = self.read(4)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data


class Broker:
    """A process that serves `port`, with its state in `directory`."""

    def __init__(self, name: str, command, port: int):
        self.name, self.command, self.port, self.process = name, command, port, None

    def start(self) -> float:
        """Returns the milliseconds until the first CONNACK."""
        began = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                Client(self.port, b"first", True).socket.close()
                return (time.monotonic() - began) * 1000
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{self.name} ended: {' '.join(map(str, self.command))}")
                time.sleep(0.0005)

    def cpu(self) -> float:
        """Seconds of user and system time so far, of all threads."""
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def end(self, number: int):
        self.process.send_signal(number)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ferrule(binary: str, directory: pathlib.Path, count: int) -> Broker:
    port = free_port()
    file = directory / "ferrule.yaml"
    file.write_text(f"version: 1\ngateway: {{id: bench, state_dir: {directory}}}\n"
                    f"broker: {{listen: [{{port: {port}}}], limits: {{queued: {2 * count}, queued_size: 1GiB}}}}\n")
    return Broker("Ferrule", [binary, "run", file], port)


def mosquitto(directory: pathlib.Path, count: int) -> Broker:
    port = free_port()
    file = directory / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {directory}/\n"
                    f"autosave_on_changes true\nautosave_interval 1000\nmax_queued_messages {2 * count}\n")
    return Broker("mosquitto", [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", file], port)


class Stream:
    """One publisher's window."""

    def __init__(self, client: Client, window: int):
        self.client, self.window = client, window
        self.client.socket.setblocking(False)
        self.sent = self.acknowledged = 0
        self.unsent = self.rest = b""

    def go_on(self, packets) -> None:
        """Sends what the window allows and takes what was acknowledged; PUBACKs come in order."""
        if not self.unsent and self.sent - self.acknowledged <= self.window // 2:
            until = min(self.acknowledged + self.window, len(packets))
            self.unsent = b"".join(packets[self.sent:until])
            self.sent = until
        if self.unsent:
            try:
                self.unsent = self.unsent[self.client.socket.send(self.unsent):]
            except BlockingIOError:
                pass
        try:
            data = self.client.socket.recv(1 << 16)
            if not data:
                raise ConnectionError
            self.rest += data
        except BlockingIOError:
            time.sleep(0.0001)
        whole = len(self.rest) // 4
        self.acknowledged += whole
        self.rest = self.rest[4 * whole:]


def drain(broker: Broker, expected: int):
    """What the offline session had: the numbers, in the order they came."""
    client = Client(broker.port, b"offline", False)
    client.socket.settimeout(5)
    numbers, data = [], b""
    size = len(publish_packet(0))
    try:
        while len(numbers) < expected:
            more = client.socket.recv(1 << 18)
            if not more:
                break
            data += more
            whole = len(data) // size
            acks = bytearray()
            for at in range(0, whole * size, size):
                numbers.append(int(data[at + size - PAYLOAD:at + size]))
                acks += b"\x40\x02" + data[at + 2 + 2 + len(TOPIC):at + 2 + 2 + len(TOPIC) + 2]
            data = data[whole * size:]
            client.socket.sendall(acks)
    except socket.timeout:
        pass
    client.socket.close()
    return numbers


def run(broker: Broker, count: int, window: int, kill_after: float):
    first_start = broker.start()
    subscriber = Client(broker.port, b"offline", False)
    filter_bytes = counted(TOPIC) + b"\x01"
    subscriber.socket.sendall(bytes([0x82, 2 + len(filter_bytes), 0, 1]) + filter_bytes)
    subscriber.read(5)
    subscriber.socket.sendall(b"\xe0\x00")
    subscriber.socket.close()

    packets = [publish_packet(number) for number in range(count)]
    stream = Stream(Client(broker.port, b"publisher", True), window)
    cpu, began = broker.cpu(), time.monotonic()
    while stream.acknowledged < count * kill_after:
        stream.go_on(packets)
    took, cpu = time.monotonic() - began, broker.cpu() - cpu
    broker.end(signal.SIGKILL)
    try:
        while True:
            stream.go_on(packets)  # acknowledgements that were on their way
    except OSError:
        pass
    restart = broker.start()
    numbers = drain(broker, stream.acknowledged)
    broker.end(signal.SIGTERM)
    lost = len(set(range(stream.acknowledged)) - set(numbers))
    in_order = list(dict.fromkeys(numbers)) == sorted(set(numbers))
    print(f"{broker.name:10} {stream.acknowledged:8} {lost:8} {'kept' if in_order else 'LOST':>6} "
          f"{count * kill_after / took:10.0f} {cpu / (count * kill_after) * 1e6:8.1f} {first_start:8.1f} {restart:8.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferrule", default="build/release/gateway/ferrule")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=1000, help="publications that the publisher has unacknowledged")
    parser.add_argument("--kill-after", type=float, default=0.9, help="the part of them that is acknowledged by then")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--directory", default=None, help="where the state goes; default: a temporary directory")
    arguments = parser.parse_args()
    print(f"{'broker':10} {'acked':>8} {'lost':>8} {'order':>6} {'per s':>10} {'CPU us':>8} {'start ms':>8} {'again ms':>8}")
    for _ in range(arguments.runs):
        for make in (lambda d: ferrule(arguments.ferrule, d, arguments.count), lambda d: mosquitto(d, arguments.count)):
            with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
                os.chmod(directory, 0o777)  # mosquitto gives up its rights
                run(make(pathlib.Path(directory)), arguments.count, arguments.window, arguments.kill_after)


if __name__ == "__main__":
    main()
