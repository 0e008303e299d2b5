"""What the soak's devices offered, what a client of the gateway and the cloud got of it, and what that says. Times are seconds since 1970."""

import contextlib
import dataclasses
import json
import math
import threading
import time

TIMEOUT = 1.0  # seconds an answer is awaited; a device that stalls takes three times as long
_CLOCK = 0.005  # seconds: what rounding to milliseconds on both sides can make
_CIRCLE = 2**32  # ms: what a reading has of its time


@dataclasses.dataclass
class _Good:
    reading: int
    number: int  # the whole value
    at: float


class Ledger:
    """A value is wrong when it is another device's, when it was taken longer before its time than an answer is awaited, and when it is not
    newer than the one before. A device counts its readings: one that nobody got is lost, unless the gateway said before the next one that
    the value is bad, or the bus was begun anew by a reload. Any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._last, self._bad, self._renewals = {}, set(), []
        self._at_cloud, self._owed = {}, set()
        self.values = self.left_out = self.at_renewals = self.lost = self.repeated = 0
        self.wrong = []
        self.silences = []  # (device, when the gateway said that its value is bad)
        self.latencies = []  # seconds from reading to client

    @contextlib.contextmanager
    def renewing(self, devices: range):
        """Meanwhile the bus of these is begun anew."""
        begin = time.time()
        with self._lock:
            self._renewals.append((devices, begin, math.inf))
        yield
        with self._lock:
            self._renewals[-1] = (devices, begin, time.time())

    def renewals(self, device: int) -> list[tuple[float, float]]:
        """When its bus was begun anew."""
        return [(begin, end) for devices, begin, end in self._renewals if device in devices]

    def last(self, device: int) -> int | None:
        with self._lock:
            return self._last[device].reading if device in self._last else None

    def local(self, device: int, payload: bytes, now: float):
        """What a client got from the gateway."""
        value = json.loads(payload)
        with self._lock:
            self.values += 1
            if len(self.latencies) < 1_000_000 and value["q"] == "good":
                self.latencies.append(now - value["ts"] / 1000)
            trouble = self._good(device, value) if value["q"] == "good" else self._not_good(device, value, now)
            if trouble:
                self.wrong.append(f"d{device}: {payload.decode()}: {trouble}")

    def _good(self, device: int, value: dict) -> str:
        number = value["v"]
        new = _Good(number >> 32 & 0xFFFF, number, value["ts"] / 1000)
        before = self._last.get(device)
        age = (value["ts"] - number + _CIRCLE // 2) % _CIRCLE - _CIRCLE // 2
        ahead = (new.reading - before.reading) % 65536 if before else 1
        if number >> 48 != device:
            return f"it is d{number >> 48}'s"
        if not -_CLOCK <= age / 1000 <= 2 * TIMEOUT:
            return f"taken {age} ms before"
        if not 0 < ahead < 32768:
            return f"reading {new.reading} after {before.reading}"
        if ahead > 1:
            self._missing(device, ahead - 1, before.at, new.at)
        self._bad.discard(device)
        self._last[device] = new
        if number not in self._at_cloud:
            self._owed.add(number)
        return ""

    def _missing(self, device: int, readings: int, since: float, until: float):
        if device in self._bad:
            self.left_out += readings
        elif any(since <= end and begin <= until for begin, end in reversed(self.renewals(device))):
            self.at_renewals += readings
        else:
            self.lost += readings

    def _not_good(self, device: int, value: dict, now: float) -> str:
        self.silences.append((device, now))
        self._bad.add(device)
        before = self._last.get(device)
        kept = value["v"] is None or before is not None and value["v"] == before.number
        return "" if kept and value["q"] == "bad" else "a bad value is not the last good one"

    def cloud(self, device: int, payload: bytes):
        value = json.loads(payload)
        if value["q"] != "good":
            return
        with self._lock:
            number = value["v"]
            if number >> 48 != device:
                self.wrong.append(f"d{device} at the cloud: {payload.decode()}")
            self.repeated += number in self._at_cloud
            self._at_cloud[number] = True
            self._owed.discard(number)

    def owed(self) -> set:
        """What a client got and the cloud did not yet."""
        with self._lock:
            return set(self._owed)
