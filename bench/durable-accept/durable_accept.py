#!/usr/bin/python3
"""QoS 1 publications that are acknowledged because they are on disk, per second: Ferrule with an uplink that is cut off, and mosquitto
with a bridge that is, and autosave_interval 1 with autosave_on_changes; same disk, same run, in turn.

mosquitto acknowledges first and writes then: after kill -9 it may have lost what it acknowledged. So each round ends with
a kill, and the bench counts what a subscriber at the other end of the bridge gets of what was acknowledged.
"""

import argparse
import json
import pathlib
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from wire import connect, counted, free_port, packet, reach, take_publications

PAYLOAD = 200  # bytes


class Client:
    """One publisher in a closed loop: `window` unacknowledged at most."""

    def __init__(self, port: int, number: int, window: int):
        self.socket = connect(port, b"bench%d" % number)
        self.number, self.sent, self.acknowledged, self.window, self.rest = number, 0, 0, window, 0
        self.socket.setblocking(False)

    def fill(self):
        output = b""
        while self.sent - self.acknowledged < self.window:
            self.sent += 1
            name = f"{self.number}:{self.sent}".ljust(PAYLOAD).encode()
            output += packet(0x32, counted(b"bench/%d" % self.number) + (self.sent % 65535 + 1).to_bytes(2, "big") + name)
        while output:
            try:
                output = output[self.socket.send(output):]
            except BlockingIOError:
                select.select([], [self.socket], [])

    def take(self):
        self.rest += len(self.socket.recv(65536))
        self.acknowledged += self.rest // 4
        self.rest %= 4


def collect(port: int, wanted: set) -> int:
    """How many of `wanted` arrive at the broker there within the time that something comes."""
    with connect(port, b"collector") as link:
        link.sendall(packet(0x82, b"\0\1" + counted(b"bench/#") + b"\0"))
        yield
        link.settimeout(5)
        data, seen = b"", set()
        try:
            while not wanted <= seen:
                publications, data = take_publications(data + link.recv(1 << 20))
                seen.update(payload.decode().strip() for _, payload in publications)
        except TimeoutError:
            pass
        yield len(wanted & seen)


def start_ferrule(options, directory, port, cloud):
    file = directory / "ferrule.yaml"
    file.write_text(json.dumps({
        "version": 1, "gateway": {"id": "bench", "state_dir": str(directory / "state")},
        "broker": {"listen": [{"port": port, "bind": "127.0.0.1"}]},
        "uplinks": {"cloud": {"url": f"mqtt://127.0.0.1:{cloud}", "reconnect": "100ms..1s", "out": [{"from": "bench/#", "qos": 1}]}}}))
    return [options.ferrule, "run", str(file)]


def start_mosquitto(options, directory, port, cloud):
    file = directory / "mosquitto.conf"
    (directory / "state").mkdir(exist_ok=True)
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {directory}/state/\nuser root\n"
        "autosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
        f"connection cloud\naddress 127.0.0.1:{cloud}\ntopic bench/# out 1\ncleansession false\nrestart_timeout 1\n")
    return [options.mosquitto, "-c", str(file)]


def measure(options, start, directory, clients, window):
    directory.mkdir()
    port, cloud = free_port(), free_port()
    command = start(options, directory, port, cloud)
    log = open(directory / "log", "w")
    server = subprocess.Popen(command, stdout=log, stderr=log)
    reach(port).close()
    publishers = [Client(port, i, window) for i in range(clients)]
    by_socket = {one.socket: one for one in publishers}
    for one in publishers:
        one.fill()
    began = time.monotonic()
    while time.monotonic() - began < options.seconds:
        for ready in select.select(list(by_socket), [], [], 0.1)[0]:
            by_socket[ready].take()
            by_socket[ready].fill()
    took = time.monotonic() - began
    server.send_signal(signal.SIGKILL)
    server.wait()
    wanted = {f"{one.number}:{i}" for one in publishers for i in range(1, one.acknowledged + 1)}
    (directory / "cloud").mkdir()
    (directory / "cloud.conf").write_text(f"listener {cloud} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                                          "max_inflight_messages 0\nuser root\n")
    far = subprocess.Popen([options.mosquitto, "-c", str(directory / "cloud.conf")], stdout=log, stderr=log)
    reach(cloud).close()
    arriving = collect(cloud, wanted)
    next(arriving)
    server = subprocess.Popen(command, stdout=log, stderr=log)
    arrived = next(arriving)
    for one in (server, far):
        one.kill()
        one.wait()
    return len(wanted) / took, len(wanted) - arrived, len(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ferrule", required=True)
    parser.add_argument("--mosquitto", default="/usr/sbin/mosquitto")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{PAYLOAD} bytes a publication, {options.rounds} rounds of {options.seconds:g} s, killed at the end of each")
    print(f"{'clients x window':>16} {'broker':>10} {'acknowledged/s':>15} {'lost of acknowledged':>22}")
    for clients, window in ((1, 1), (1, 20), (10, 20), (50, 20)):
        figures = {start_ferrule: [], start_mosquitto: []}
        for _ in range(options.rounds):
            for start, results in figures.items():
                with tempfile.TemporaryDirectory(prefix="ferrule-bench-", ignore_cleanup_errors=True) as directory:
                    results.append(measure(options, start, pathlib.Path(directory) / "run", clients, window))
        for start, results in figures.items():
            rate = statistics.median(result[0] for result in results)
            lost, all_of = sum(result[1] for result in results), sum(result[2] for result in results)
            print(f"{f'{clients} x {window}':>16} {start.__name__[6:]:>10} {rate:>15.0f} {f'{lost} of {all_of}':>22}", flush=True)


if __name__ == "__main__":
    main()
