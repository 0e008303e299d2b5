"""What a soak found, in words; and whether that is good."""

import dataclasses
import os
import pathlib

from soak_ledger import Ledger

# What grows before is what fills: the thousand events kept in memory (one or two a second happen here), SQLite's caches, the heap's gaps.
WARM_UP = 20 * 60  # seconds
_STEADY = 10 * 60  # seconds behind it: fewer have no slope that means anything
_MOST_SLOPE = 20  # KiB a minute
_MOST_GROWTH = 4096  # KiB, of a run too short for a slope
_FEW = 4  # descriptors or threads that come and go with connections


@dataclasses.dataclass
class Sample:
    """What the gateway's process takes."""
    elapsed: float  # seconds since the plant was complete
    memory: int  # KiB, resident
    descriptors: int
    threads: int

    @staticmethod
    def of(pid: int, elapsed: float) -> "Sample":
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return Sample(elapsed, int(status.split("VmRSS:")[1].split()[0]), len(os.listdir(f"/proc/{pid}/fd")),
                      int(status.split("Threads:")[1].split()[0]))

    def text(self) -> str:
        return f"{self.memory} KiB, {self.descriptors} descriptors, {self.threads} threads"


@dataclasses.dataclass
class Report:
    ledger: Ledger
    seconds: float = 0
    lost_on_the_way: int = 0
    cuts: int = 0
    stalls: int = 0
    reloads: int = 0
    bad_reloads: list = dataclasses.field(default_factory=list)
    writes: int = 0
    unconfirmed: int = 0
    bad_writes: list = dataclasses.field(default_factory=list)
    samples: list = dataclasses.field(default_factory=list)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.ledger.latencies) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def slope(self) -> float | None:
        """KiB per minute by least squares, behind the warm-up."""
        points = [(one.elapsed, one.memory) for one in self.samples if one.elapsed >= WARM_UP]
        if not points or points[-1][0] - WARM_UP < _STEADY - 10:
            return None
        middle_x = sum(x for x, _ in points) / len(points)
        middle_y = sum(y for _, y in points) / len(points)
        spread = sum((x - middle_x) ** 2 for x, _ in points)
        return 60 * sum((x - middle_x) * (y - middle_y) for x, y in points) / spread

    def growth(self) -> int:
        """KiB from the most of the first third to the least of the last one."""
        return self._more("memory", 3)

    def _more(self, what: str, parts: int = 4) -> int:
        """How much more of it there is at least in the last of so many parts than there was at most in the first."""
        counts = [getattr(one, what) for one in self.samples]
        part = len(counts) // parts
        return min(counts[-part:]) - max(counts[:part]) if part else 0

    def failures(self) -> list:
        ledger = self.ledger
        found = []
        if ledger.wrong:
            found.append(f"wrong values: {ledger.wrong[:5]}")
        if ledger.lost:
            found.append(f"{ledger.lost} readings that devices offered are missing, and nobody said so")
        if self.lost_on_the_way:
            found.append(f"{self.lost_on_the_way} values that a local client got did not reach the cloud")
        if self.bad_writes:
            found.append(f"writes that failed: {self.bad_writes[:5]}")
        if self.bad_reloads:
            found.append(f"reloads: {self.bad_reloads[:5]}")
        if not ledger.values or not self.writes:
            found.append("nothing flowed")
        if (slope := self.slope()) is not None and slope > _MOST_SLOPE:
            found.append(f"memory grows by {slope:.0f} KiB a minute")
        if slope is None and self.growth() > _MOST_GROWTH:
            found.append(f"memory grew by {self.growth()} KiB")
        found += [f"{self._more(what)} {what} more than in the beginning" for what in ("descriptors", "threads") if self._more(what) > _FEW]
        return found

    def _memory_text(self) -> str:
        if not self.samples:
            return "-"
        slope = self.slope()
        behind = "" if slope is None else f"; behind the first {WARM_UP // 60} minutes {slope:+.1f} KiB/min"
        steps = self.samples[::max(1, len(self.samples) // 6)]
        return " -> ".join(str(one.memory) for one in steps) + f" KiB{behind}"

    def text(self) -> str:
        ledger = self.ledger
        last = self.samples[-1].text().split(", ", 1)[1] if self.samples else "-"
        return "\n".join([
            f"duration          {self.seconds:.0f} s",
            f"values            {ledger.values} at local clients, {len(ledger.silences)} of them said to be bad, {len(ledger.wrong)} wrong",
            f"readings missing  {ledger.lost} unsaid; {ledger.left_out} said to be bad, over {self.stalls} stalls of a bus; "
            f"{ledger.at_renewals} where a reload began the bus anew",
            f"at the cloud      {self.lost_on_the_way} lost, {ledger.repeated} more than once, over {self.cuts} cuts of the uplink",
            f"writes            {self.writes}, {len(self.bad_writes)} failed, {self.unconfirmed} said to be unconfirmed in a stall",
            f"reloads           {self.reloads}, {len(self.bad_reloads)} with another end than expected",
            f"latency           p50 {1e3 * self.percentile(0.5):.1f} ms, p99 {1e3 * self.percentile(0.99):.1f} ms",
            f"memory            {self._memory_text()}",
            f"at the end        {last}",
            "verdict           " + ("; ".join(self.failures()) or "good")])
