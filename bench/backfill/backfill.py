#!/usr/bin/python3
"""How late live messages arrive at the cloud while a long backlog drains beside them (`backfill: live-first`), next to how late they arrive
without one; and what memory the gateway takes meanwhile.

A publisher sends at a steady rate at QoS 1, each message with its time; a subscriber at the cloud, mosquitto, takes the difference. The
backlog is one message of the queue, multiplied in its file while the gateway is off.
"""

import argparse
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from wire import connect, counted, free_port, packet, take_publications


class Subscriber:
    """At the cloud: notes how late the live messages are. What waited has no subscriber: Python would be slower than the gateway, and keep the
    machine from it. The cloud itself says how many messages it got."""

    COUNT = b"$SYS/broker/publish/messages/received"

    def __init__(self, port: int):
        self.received, self.late = 0, []
        self.client = connect(port, b"subscriber")
        self.client.sendall(packet(0x82, b"\0\1" + counted(b"bench/live") + b"\0" + counted(self.COUNT) + b"\0"))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        data = b""
        while more := self.client.recv(1 << 20):
            now = time.monotonic()
            publications, data = take_publications(data + more)
            for topic, payload in publications:
                if topic == self.COUNT:
                    self.received = int(payload)
                else:
                    self.late.append(now - float(payload))

    def waited(self) -> int:
        return self.received - len(self.late)


def publish(port: int, topic: bytes, per_second: int, until):
    """At QoS 1, without waiting for the acknowledgements, which are read away."""
    client = connect(port, b"publisher")

    def drain():
        try:
            while client.recv(1 << 16):
                pass
        except OSError:
            pass
    threading.Thread(target=drain, daemon=True).start()
    due, number = time.monotonic(), 0
    while not until():
        due += 1 / per_second
        time.sleep(max(0.0, due - time.monotonic()))
        number += 1
        client.sendall(packet(0x32, counted(topic) + (number % 65535 + 1).to_bytes(2, "big") + repr(time.monotonic()).encode()))
    time.sleep(1)
    client.close()


def multiply(database: pathlib.Path, rows: int, payload: int):
    """Fills the queue with copies of its last row."""
    with sqlite3.connect(database) as connection:
        begin, = connection.execute("SELECT reserved FROM meta").fetchone()
        connection.execute("UPDATE queue SET payload = CAST(? AS BLOB)", ("x" * payload,))
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 2 < ?) INSERT INTO queue "
            "SELECT ? + i, topic, flags, payload, properties, published, expires FROM n, (SELECT * FROM queue LIMIT 1)", (rows, begin))
        connection.execute(
            "UPDATE meta SET reserved = ?, counted = (SELECT max(seq) FROM queue), rows = (SELECT count(*) FROM queue), bytes = (SELECT sum(48 + length(payload) + length(name)) "
            "FROM queue JOIN topic ON topic.id = queue.topic)", (begin + rows,))
    connection.close()


def percentile(values: list, share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3


def resident(process) -> float:
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def run(options, directory: pathlib.Path):
    port, cloud_port, log = free_port(), free_port(), open(directory / "log", "w")
    (directory / "cloud.conf").write_text(f"listener {cloud_port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                                          "max_inflight_messages 0\nset_tcp_nodelay true\nsys_interval 1\nuser root\n")
    queue = {"max_size": "4GB", "backfill": {"rate": options.rate} if options.rate else "live-first"}
    (directory / "ferrule.yaml").write_text(json.dumps({
        "version": 1, "gateway": {"id": "bench", "state_dir": str(directory / "state")},
        "broker": {"listen": [{"port": port, "bind": "127.0.0.1"}]}, "queue": queue,
        "uplinks": {"cloud": {"url": f"mqtt://127.0.0.1:{cloud_port}", "reconnect": "100ms..1s", "out": [{"from": "bench/#", "qos": 1}]}}}))

    def start(*command):
        return subprocess.Popen(command, stdout=log, stderr=log)
    ferrule = [options.ferrule, "run", str(directory / "ferrule.yaml")]

    # One message that waits, and what the gateway takes with a short queue.
    gateway = start(*ferrule)
    counter = iter(range(10**9))
    publish(port, b"bench/waits", 100, lambda: next(counter) >= 2)
    cloud = start(options.mosquitto, "-c", str(directory / "cloud.conf"))
    subscriber = Subscriber(cloud_port)
    time.sleep(3)
    end = time.monotonic() + options.seconds
    publish(port, b"bench/live", options.live, lambda: time.monotonic() > end)
    normal, small = list(subscriber.late), resident(gateway)
    cloud.kill()
    cloud.wait()
    time.sleep(0.5)
    publish(port, b"bench/waits", 100, lambda: next(counter) >= 6)
    gateway.send_signal(signal.SIGTERM)
    gateway.wait()
    multiply(directory / "state/outbox-cloud.db", options.rows, options.payload)

    cloud = start(options.mosquitto, "-c", str(directory / "cloud.conf"))
    subscriber = Subscriber(cloud_port)
    gateway = start(*ferrule)
    connect(port, b"ready").close()
    began = time.monotonic()
    publish(port, b"bench/live", options.live, lambda: subscriber.waited() >= options.rows or time.monotonic() - began > 1800)
    took, waited = time.monotonic() - began - 1, subscriber.waited()
    print(f"{'':>24} {'messages':>9} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for name, late in (("without a backlog", normal), ("while it drains", subscriber.late)):
        print(f"{name:>24} {len(late):>9} {percentile(late, 0.5):>8.1f} {percentile(late, 0.99):>8.1f} {max(late) * 1e3:>8.1f}")
    print(f"p99 while it drains is {percentile(subscriber.late, 0.99) / percentile(normal, 0.99):.2f} times that without")
    print(f"{waited} messages drained in {took:.0f} s: {waited / took:.0f} a second")
    print(f"peak memory {small:.1f} MB without, {resident(gateway):.1f} MB with the backlog")
    for one in (gateway, cloud):
        one.kill()
        one.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferrule", required=True)
    parser.add_argument("--mosquitto", default="/usr/sbin/mosquitto")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the backlog")
    parser.add_argument("--payload", type=int, default=150, help="bytes")
    parser.add_argument("--live", type=int, default=200, help="messages a second")
    parser.add_argument("--rate", type=int, default=0, help="of backfill; 0: none")
    parser.add_argument("--seconds", type=float, default=20, help="without a backlog")
    options = parser.parse_args()
    print(f"a backlog of {options.rows} messages of {options.payload} bytes, {options.live} live messages a second")
    with tempfile.TemporaryDirectory(prefix="ferrule-bench-", ignore_cleanup_errors=True) as directory:
        run(options, pathlib.Path(directory))


if __name__ == "__main__":
    main()
