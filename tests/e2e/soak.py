"""A long run of everything at once: simulated devices, clients, a flapping uplink, reloads and writes; leaks, lost and wrong values, latency.
scripts/soak runs it, soak_test.py a short form.

Usage: soak.py MINUTES
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import random
import socket
import sys
import tempfile
import threading
import time

from rig.cloud import Cloud, Link
from rig.clients import paho_client, paho_connect
from rig.gateway import Gateway
from rig.process import SLOWNESS, wait_until
from rig.slaves import TickingSlave
from soak_ledger import TIMEOUT, Ledger
from soak_report import Report, Sample

_UNITS_PER_BUS = 50
_SPARE_UNIT = 200  # of the device that reloads add and remove
_STALL = 3000  # readings of a bus
_ANSWERED = 60  # seconds in which every write has its answer
_NEAR = 5  # seconds


def _sections(devices: int, slaves: list, uplink_port: int) -> dict:
    return {
        "buses": {f"bus{i}": {"type": "modbus-tcp", "host": "127.0.0.1", "port": slave.port, "timeout": f"{TIMEOUT:.0f}s", "retries": 0}
                  for i, slave in enumerate(slaves)},
        "devices": {f"d{n}": _device(n // _UNITS_PER_BUS, n % _UNITS_PER_BUS + 1) for n in range(devices)},
        "publish": {"when": "poll", "qos": 1, "retain": False},
        "uplinks": {"hq": {"url": f"mqtt://127.0.0.1:{uplink_port}", "client_id": "soak", "reconnect": "200ms..1s",
                           "out": [{"from": "plant1/+/value", "to": "{topic}", "qos": 1}]}}}


def _device(bus: int, unit: int) -> dict:
    return {"bus": f"bus{bus}", "unit_id": unit, "interval": "1s",
            "points": {"value": {"register": "holding", "address": 0, "type": "uint64"},
                       "setpoint": {"register": "holding", "address": 4, "type": "uint16", "write": {"readback": "1s"}}}}


def _number(topic: str) -> int:
    return int(topic.split("/")[1][1:])


@dataclasses.dataclass
class _Write:
    device: int
    value: int
    sent: float  # seconds since 1970
    answer: dict | None = None
    answered: float = 0


class Soak:
    """`stall`: of so many readings of a bus one comes too late."""

    def __init__(self, directory: pathlib.Path, devices: int = 200, clients: int = 50, stall: int = _STALL, seed: int = 1):
        self.directory, self.devices, self.clients, self.stall = directory, devices, clients, stall
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.report = Report(self.ledger)
        self._lock = threading.Lock()
        self._under_way = {}  # writes by device
        self._doubtful = []
        self._stack = contextlib.ExitStack()

    def run(self, seconds: float, progress=lambda line: None) -> Report:
        with self._stack:
            self._set_up()
            self._drive(seconds, progress)
            self._finish()
        return self.report

    # ---- the plant

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
        self.slaves = []
        for first in range(0, self.devices, _UNITS_PER_BUS):
            units = {n % _UNITS_PER_BUS + 1: n for n in range(first, min(first + _UNITS_PER_BUS, self.devices))}
            self.slaves.append(self._closing(TickingSlave({**units, _SPARE_UNIT: self.devices}, self.stall)))
        cloud = self._closing(Cloud(self.directory / "cloud"))
        self.link = self._closing(Link(cloud.port))
        self._client("cloud", cloud.port, ["plant1/+/value"],
                     lambda client, userdata, message: self.ledger.cloud(_number(message.topic), message.payload))
        self.gateway = self._closing(Gateway(self.directory, _sections(self.devices, self.slaves, self.link.port)))
        self.gateway.start()
        wait_until(self.gateway.control.exists, 20, "the control socket is there")
        everybody = range(self.devices + 1)
        share = -(-len(everybody) // self.clients)
        for i in range(self.clients):
            filters = [f"plant1/d{n}/value" for n in everybody[i * share:(i + 1) * share]]
            if filters:
                self._client(f"c{i}", self.gateway.port, filters, self._at_client)
        self.writer = self._client("writer", self.gateway.port, ["plant1/+/setpoint/set/result"], self._on_result)

    def _at_client(self, client, userdata, message):
        self.ledger.local(_number(message.topic), message.payload, time.time())

    # ---- what happens to it, a turn a second

    def _drive(self, seconds: float, progress):
        began = time.monotonic()
        up, turn = True, 0
        while (elapsed := time.monotonic() - began) < seconds:
            turn += 1
            if turn % 7 == 0:
                up = not up
                self.link.restore() if up else self.link.cut(black_hole=self.random.random() < 0.2)
                self.report.cuts += not up
            if turn % 5 == 0:
                self._reload(turn // 5 - 1)
            self._write()  # behind a reload, which leaves it a second until the next
            self.report.samples.append(Sample.of(self.gateway.process.child.pid, elapsed))
            if turn % 10 == 0:
                progress(f"{elapsed:6.0f} s  {self.ledger.values} values, {len(self.ledger.wrong)} wrong, {self.ledger.lost} lost, uplink "
                         f"{'up' if up else 'cut'}, {self.report.samples[-1].text()}")
            time.sleep(1)
        self.report.seconds = seconds
        self.link.restore()

    def _write(self):
        """To a device that has no other write to answer: of several the last one would be sent only."""
        with self._lock:
            free = [n for n in range(self.devices) if n not in self._under_way]
            write = _Write(self.random.choice(free), self.random.randrange(65536), time.time())
            self._under_way[write.device] = write
        self.report.writes += 1
        self.writer.publish(f"plant1/d{write.device}/setpoint/set", write.value, 1)

    def _on_result(self, client, userdata, message):
        answer = json.loads(message.payload)
        with self._lock:
            write = self._under_way.pop(_number(message.topic), None)
            if write is None:
                return self.report.bad_writes.append(f"nobody asked for {message.topic}: {answer}")
            if answer["result"] == "ok" and answer.get("v") == write.value:
                return None
            write.answer, write.answered = answer, time.time()
            self._doubtful.append(write)
        return None

    def _reload(self, step: int):
        """One of five changes, each of which has another end."""
        config, ledger = self.gateway.config, self.ledger
        extra, last_bus = f"d{self.devices}", len(self.slaves) - 1
        restarted = contextlib.nullcontext()
        if step % 5 in (0, 3):
            expected = f"restarted: bus{last_bus}"
            restarted = ledger.renewing(range(last_bus * _UNITS_PER_BUS, self.devices + 1))
        if step % 5 == 0:
            config["devices"][extra] = _device(last_bus, _SPARE_UNIT)
            self._said = ledger.last(self.devices)
        elif step % 5 == 1:
            expected = "nonsense"
        elif step % 5 == 2:
            expected = "uplinks connecting anew: hq"
            config["uplinks"]["hq"]["reconnect"] = f"200ms..{2 - step % 2}s"
        elif step % 5 == 3:
            del config["devices"][extra]
            if ledger.last(self.devices) == self._said:
                self.report.bad_reloads.append(f"{extra} was added and said nothing")
        else:
            expected = f"buses untouched: {last_bus + 1}"
        self.gateway.config = {**config, "nonsense": {}} if expected == "nonsense" else config
        self.gateway.write()
        self.gateway.config = config
        with restarted:
            answer = self._ask("reload")
        self.report.reloads += 1
        text = answer["error"]["message"] if "error" in answer else answer["result"]["changes"]
        if expected not in text or ("error" in answer) != (expected == "nonsense"):
            self.report.bad_reloads.append(f"{expected} is not in: {text}")

    def _ask(self, command: str) -> dict:
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rw") as lines:
            client.settimeout(30 * SLOWNESS)
            client.connect(str(self.gateway.control))
            lines.write(json.dumps({"id": 1, "command": command}) + "\n")
            lines.flush()
            return json.loads(lines.readline())

    # ---- what came of it

    def _finish(self):
        wait_until(lambda: not self._under_way, _ANSWERED, "an answer to each write")
        owed = self.ledger.owed()
        wait_until(lambda: not owed & self.ledger.owed() or not self.gateway.process.running, 120, "the queue is drained")
        self.report.lost_on_the_way = len(owed & self.ledger.owed())
        self.report.stalls = sum(len(slave.stalls()) for slave in self.slaves)
        for write in self._doubtful:
            if write.answer["result"] in ("timeout", "uncertain") and self._was_disturbed(write):
                self.report.unconfirmed += 1
            else:
                self.report.bad_writes.append(dataclasses.asdict(write))

    def _was_disturbed(self, write: _Write) -> bool:
        """Whether its bus was silent then, as the gateway said of others at it too, or begun anew."""
        bus = write.device // _UNITS_PER_BUS
        silent = any(device // _UNITS_PER_BUS == bus and write.sent - _NEAR <= at <= write.answered + _NEAR for device, at in self.ledger.silences)
        return silent or any(begin <= write.answered and write.sent <= end for begin, end in self.ledger.renewals(write.device))


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
