"""A long run of everything at once: simulated devices, clients, a flapping uplink, reloads and writes; leaks, lost and wrong
values, latency. scripts/soak runs it, soak_test.py a short form.

Usage: soak.py MINUTES
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

from rig.cloud import Cloud, Link
from rig.clients import paho_client, paho_connect
from rig.gateway import Gateway
from rig.process import wait_until
from rig.slaves import TcpSlave

_UNITS_PER_BUS = 50
_STEADY = 600  # seconds; before that what grows is caches and buffers that fill


@dataclasses.dataclass
class Report:
    """What a run found."""
    seconds: float = 0
    values: int = 0
    wrong: list = dataclasses.field(default_factory=list)
    lost: int = 0
    repeated: int = 0
    cuts: int = 0
    reloads: int = 0
    writes: int = 0
    bad_writes: list = dataclasses.field(default_factory=list)
    latencies: list = dataclasses.field(default_factory=list)  # seconds from reading to client
    memory: list = dataclasses.field(default_factory=list)  # (seconds, KiB)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def slope(self) -> float:
        """KiB per minute by least squares, over the second half."""
        points = self.memory[len(self.memory) // 2:]
        if len(points) < 3:
            return 0.0
        middle_x = sum(x for x, _ in points) / len(points)
        middle_y = sum(y for _, y in points) / len(points)
        spread = sum((x - middle_x) ** 2 for x, _ in points)
        return 60 * sum((x - middle_x) * (y - middle_y) for x, y in points) / spread

    def failures(self) -> list:
        found = []
        if self.wrong:
            found.append(f"wrong values: {self.wrong[:5]}")
        if self.lost:
            found.append(f"{self.lost} values that a local client got did not reach the cloud")
        if self.bad_writes:
            found.append(f"writes that failed: {self.bad_writes[:5]}")
        if not self.values or not self.writes:
            found.append("nothing flowed")
        if self.seconds > _STEADY and self.slope() > 20:
            found.append(f"memory grows by {self.slope():.0f} KiB a minute")
        return found

    def text(self) -> str:
        last = self.memory[-1][1] if self.memory else 0
        return "\n".join([
            f"duration          {self.seconds:.0f} s",
            f"values            {self.values} at local clients, {len(self.wrong)} wrong",
            f"at the cloud      {self.lost} lost, {self.repeated} more than once, over {self.cuts} cuts of the uplink",
            f"writes            {self.writes}, {len(self.bad_writes)} failed",
            f"reloads           {self.reloads}",
            f"latency           p50 {1e3 * self.percentile(0.5):.1f} ms, p99 {1e3 * self.percentile(0.99):.1f} ms",
            f"memory            {last} KiB at the end, slope of the second half {self.slope():+.1f} KiB/min",
            "verdict           " + ("; ".join(self.failures()) or "good")])


def _expected(number: int) -> int:
    return 1000 + number


def _sections(devices: int, slaves: list, uplink_port: int) -> dict:
    point = {"register": "holding", "type": "uint16"}
    return {
        "buses": {f"bus{i}": {"type": "modbus-tcp", "host": "127.0.0.1", "port": slave.port} for i, slave in enumerate(slaves)},
        "devices": {f"d{n}": {
            "bus": f"bus{n // _UNITS_PER_BUS}", "unit_id": n % _UNITS_PER_BUS + 1, "interval": "1s",
            "points": {"value": {**point, "address": 0}, "setpoint": {**point, "address": 1, "write": {"readback": "0s"}}}}
            for n in range(devices)},
        "publish": {"when": "poll", "qos": 1, "retain": False},
        "uplinks": {"hq": {"url": f"mqtt://127.0.0.1:{uplink_port}", "client_id": "soak", "reconnect": "200ms..1s",
                           "out": [{"from": "plant1/+/value", "to": "{topic}", "qos": 1}]}}}


class Soak:
    def __init__(self, directory: pathlib.Path, devices: int = 200, clients: int = 50, seed: int = 1):
        self.directory, self.devices, self.clients = directory, devices, clients
        self.random = random.Random(seed)
        self.report = Report()
        self._lock = threading.Lock()
        self._local, self._cloud = set(), {}
        self._results = {}
        self._stack = contextlib.ExitStack()

    def run(self, seconds: float, progress=lambda line: None) -> Report:
        with self._stack:
            self._set_up()
            self._drive(seconds, progress)
            self._finish()
        return self.report

    def _closing(self, thing):
        self._stack.callback(thing.close)
        return thing

    def _client(self, name: str, port: int, filters: list, on_message):
        client = paho_client(name, 4, True)
        client.on_message = on_message
        granted = threading.Event()
        client.on_subscribe = lambda *arguments: granted.set()
        client.on_connect = lambda *arguments: client.subscribe([(one, 1) for one in filters])
        paho_connect(client, port, 4, True)
        client.loop_start()
        self._stack.callback(client.loop_stop)
        self._stack.callback(client.disconnect)
        assert granted.wait(30), f"{name} is not subscribed"
        return client

    def _set_up(self):
        slaves = []
        for first in range(0, self.devices, _UNITS_PER_BUS):
            numbers = range(first, min(first + _UNITS_PER_BUS, self.devices))
            slaves.append(self._closing(TcpSlave(
                {n % _UNITS_PER_BUS + 1: {("holding", 0): _expected(n), ("holding", 1): 0} for n in numbers})))
        cloud = self._closing(Cloud(self.directory / "cloud"))
        self.link = self._closing(Link(cloud.port))
        self._client("cloud", cloud.port, ["plant1/+/value"], self._at_cloud)
        self.gateway = self._closing(Gateway(self.directory, _sections(self.devices, slaves, self.link.port)))
        self.gateway.start()
        share = -(-self.devices // self.clients)
        for i in range(self.clients):
            filters = [f"plant1/d{n}/value" for n in range(i * share, min((i + 1) * share, self.devices))]
            if filters:
                self._client(f"c{i}", self.gateway.port, filters, self._at_client)
        self.writer = self._client("writer", self.gateway.port, ["plant1/+/setpoint/set/result"], self._on_result)

    def _at_client(self, client, userdata, message):
        now = time.time()
        value = json.loads(message.payload)
        number = int(message.topic.split("/")[1][1:])
        with self._lock:
            self.report.values += 1
            if value["q"] == "good" and value["v"] != _expected(number):
                self.report.wrong.append((message.topic, message.payload))
            self._local.add((message.topic, value["ts"]))
            if len(self.report.latencies) < 1_000_000:
                self.report.latencies.append(now - value["ts"] / 1000)

    def _at_cloud(self, client, userdata, message):
        key = (message.topic, json.loads(message.payload)["ts"])
        with self._lock:
            self._cloud[key] = self._cloud.get(key, 0) + 1

    def _on_result(self, client, userdata, message):
        with self._lock:
            self._results.setdefault(message.topic, []).append(json.loads(message.payload))

    def _drive(self, seconds: float, progress):
        began = time.monotonic()
        up, turn, writes = True, 0, 0
        while (elapsed := time.monotonic() - began) < seconds:
            turn += 1
            if turn % 7 == 0:
                up = not up
                self.link.restore() if up else self.link.cut(black_hole=self.random.random() < 0.2)
                self.report.cuts += not up
            if turn % 5 == 0:
                self.gateway.process.signal(signal.SIGHUP)
                self.report.reloads += 1
            self.writer.publish(f"plant1/d{self.random.randrange(self.devices)}/setpoint/set", self.random.randrange(65536), 1)
            writes += 1
            self.report.memory.append((elapsed, self._memory()))
            if turn % 10 == 0:
                progress(f"{elapsed:6.0f} s  {self.report.values} values, {len(self.report.wrong)} wrong, uplink "
                         f"{'up' if up else 'cut'}, {self.report.memory[-1][1]} KiB")
            time.sleep(1)
        self.report.seconds = seconds
        self.report.writes = writes
        self.link.restore()

    def _memory(self) -> int:
        status = pathlib.Path(f"/proc/{self.gateway.process.child.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def _finish(self):
        wait_until(lambda: sum(map(len, self._results.values())) >= self.report.writes, 60, "an answer to each write")
        with self._lock:
            expected = set(self._local)
        wait_until(lambda: expected <= self._cloud.keys() or not self.gateway.process.running, 120, "the queue is drained")
        with self._lock:
            self.report.lost = len(expected - self._cloud.keys())
            self.report.repeated = sum(count > 1 for count in self._cloud.values())
            self.report.bad_writes = [(topic, answer) for topic, answers in self._results.items()
                                      for answer in answers if answer["result"] != "ok"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("minutes", type=float)
    arguments.add_argument("--devices", type=int, default=200)
    arguments.add_argument("--clients", type=int, default=50)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="ferrule-soak-") as directory:
        soak = Soak(pathlib.Path(directory), options.devices, options.clients)
        try:
            report = soak.run(60 * options.minutes, lambda line: print(line, flush=True))
        except AssertionError as error:
            print(f"{soak.report.text()}\nended early: {error}")
            return 1
    print(report.text())
    return 1 if report.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
