"""A fleet of gateways behind one address of a clustered broker: its nodes are killed in turn, then the address is gone for a while.
scripts/cluster-test runs it; cluster_test.py checks what it concludes.

Usage: cluster.py [--short] [--queues quorum|mirrored] [--gateways N] [--nodes N] [--rate N] [--rounds N] [--down SECONDS]
"""

import argparse
import collections
import contextlib
import dataclasses
import pathlib
import queue
import sys
import tempfile
import time
import urllib.request

import ledger
from rig.balancer import Balancer, busiest
from rig.clients import paho_client, paho_connect
from rig.gateway import Gateway
from rig.ports import free_port
from rig.process import SLOWNESS, wait_until
from rig.rabbit import RabbitCluster

_RECONNECT = "2s..15s"  # as docs/scale.md says: the first attempt comes between 1 s and 2 s after the loss
_WINDOW = 0.2  # seconds, in which no crowd may come
_DRAIN = 120  # seconds for the queues to be empty again
_MEMORY = 64 << 10  # KiB that a gateway may take


@dataclasses.dataclass
class Report:
    """What a run found."""
    gateways: int = 0
    nodes: int = 0
    rate: float = 0  # messages per second and gateway
    acknowledged: int = 0
    lost: dict = dataclasses.field(default_factory=dict)  # by gateway, the first few numbers
    disordered: dict = dataclasses.field(default_factory=dict)  # by gateway
    repeated: int = 0
    kills: int = 0
    recoveries: list = dataclasses.field(default_factory=list)  # seconds from a kill until all queues are empty with the node back
    crowds: list = dataclasses.field(default_factory=list)  # (what happened, attempts, most of them within _WINDOW, per second at most)
    longest_queue: int = 0  # of one gateway
    longest_in_cluster: int = 0  # of one queue there, whenever those of the gateways had drained
    left_in_queues: int = 0  # at the gateways, in the end
    left_in_cluster: dict = dataclasses.field(default_factory=dict)  # by the name of the queue, in the end
    memory: int = 0  # KiB of the largest gateway

    def failures(self) -> list:
        found = []
        if self.lost:
            found.append(f"acknowledged and lost: {self.lost}")
        if self.disordered:
            found.append(f"out of order: {self.disordered}")
        if not self.acknowledged or not self.kills:
            found.append("nothing flowed")
        for what, attempts, most, per_second in self.crowds:
            if most > max(5, self.gateways // 2):
                found.append(f"{what}: {most} of {attempts} attempts to connect within {_WINDOW} s")
            if per_second > 2 * self.gateways:
                found.append(f"{what}: {per_second} attempts to connect in one second")
        outage = max(self.recoveries, default=0) + 10  # seconds, with what a busy machine is late in looking
        if self.longest_queue > self.rate * outage:
            found.append(f"a queue grew to {self.longest_queue}, beyond what came in {outage:.0f} s")
        if self.longest_in_cluster > self.rate * self.gateways * outage:
            found.append(f"a queue of the cluster grew to {self.longest_in_cluster}")
        if self.memory > _MEMORY:
            found.append(f"a gateway took {self.memory} KiB")
        if self.left_in_queues or any(self.left_in_cluster.values()):
            found.append(f"queues that do not drain: {self.left_in_queues} at gateways, {self.left_in_cluster} in the cluster")
        return found

    def text(self) -> str:
        crowds = [f"reconnects        {what}: {attempts} attempts, at most {most} within {_WINDOW} s, {per_second} within 1 s"
                  for what, attempts, most, per_second in self.crowds]
        return "\n".join([
            f"fleet             {self.gateways} gateways, {self.nodes} nodes, {self.kills} of them killed",
            f"messages          {self.acknowledged} acknowledged by gateways, {sum(map(len, self.lost.values()))} lost, "
            f"{self.repeated} more than once, {len(self.disordered)} gateways out of order",
            "queues drained    " + ", ".join(f"{seconds:.0f} s" for seconds in self.recoveries) + " after each kill",
            f"longest queue     {self.longest_queue} messages at one gateway, {self.longest_in_cluster} in the cluster with those drained; "
            f"in the end {self.left_in_queues}, and {sum(self.left_in_cluster.values())} in the cluster",
            *crowds,
            f"memory            {self.memory} KiB, the largest gateway",
            "verdict           " + ("; ".join(self.failures()) or "good")])


class Inbox:
    """What came of one gateway, as ledger.check wants it."""

    def __init__(self):
        self.numbers = collections.defaultdict(list)  # by topic
        self.count = 0

    def seen(self) -> set:
        return {number for numbers in list(self.numbers.values()) for number in list(numbers)}


class Backend:
    """Who reads what the fleet sends: a session that outlives its connections, which the kills end too."""

    def __init__(self, port: int):
        self.inboxes = collections.defaultdict(Inbox)
        self.client = paho_client("backend", 4, False)
        self.client.reconnect_delay_set(1, 4)
        subscribed = queue.Queue()
        self.client.on_message = self._take
        self.client.on_connect = lambda client, *rest: client.subscribe("fleet/#", 1)
        self.client.on_subscribe = lambda *arguments: subscribed.put(True)
        paho_connect(self.client, port, 4, False)
        self.client.loop_start()
        subscribed.get(timeout=60 * SLOWNESS)

    def _take(self, client, userdata, message):
        _, gateway, topic = message.topic.split("/", 2)
        inbox = self.inboxes[gateway]
        inbox.numbers[topic].append(int(message.payload))
        inbox.count += 1

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Member:
    """One gateway of the fleet and who publishes to it."""

    def __init__(self, directory: pathlib.Path, name: str, uplink_port: int, rate: float):
        self.name, self.rate = name, rate
        self.gateway = Gateway(directory / name, {"uplinks": {"cloud": {
            "url": f"mqtt://127.0.0.1:{uplink_port}", "client_id": name, "mqtt": "3.1.1", "max_qos": 1, "reconnect": _RECONNECT,
            "out": [{"from": "plant1/#", "to": f"fleet/{name}/{{topic}}"}]}}})
        self._http = free_port()
        self.gateway.config["gateway"]["http"] = f"127.0.0.1:{self._http}"
        self.gateway.write()
        self.publisher = None

    def start(self):
        self.gateway.start()
        self.publisher = ledger.Publisher(self.gateway.port, 1, self.rate)

    def sample(self, name: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}/metrics", timeout=30 * SLOWNESS) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + "{"):
                    return int(float(line.rsplit(" ", 1)[1]))
        raise AssertionError(f"{self.name} has no {name}")

    def queued(self) -> int:
        return self.sample("ferrule_queue_messages")

    def memory(self) -> int:
        status = pathlib.Path(f"/proc/{self.gateway.process.child.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def close(self):
        if self.publisher is not None:
            self.publisher.finish()
        self.gateway.close()


def disorder(numbers: dict) -> str:
    """What came out of order for the first time, by topic; empty when all is in order."""
    for topic, came in numbers.items():
        first = list(dict.fromkeys(came))
        for earlier, later in zip(first, first[1:]):
            if later < earlier:
                return f"{later} after {earlier} on {topic}"
    return ""


class Run:
    def __init__(self, directory: pathlib.Path, options, progress=lambda line: None):
        self.directory, self.options, self.progress = directory, options, progress
        self.report = Report(gateways=options.gateways, nodes=options.nodes, rate=options.rate)
        self.members = []
        self._stack = contextlib.ExitStack()

    def run(self) -> Report:
        with self._stack:
            self._set_up()
            for _ in range(self.options.rounds):
                for node in self.cluster.nodes:
                    self._kill(node)
            self._take_the_address_away()
            self._finish()
        return self.report

    def _closing(self, thing):
        self._stack.callback(thing.close)
        return thing

    def _set_up(self):
        self.progress(f"starting {self.options.nodes} nodes")
        self.cluster = self._closing(RabbitCluster(self.directory, self.options.nodes, self.options.queues == "mirrored"))
        self.balancer = self._closing(Balancer([node.port for node in self.cluster.nodes]))
        self.backend = self._closing(Backend(self.balancer.port))
        self.progress(f"starting {self.options.gateways} gateways")
        for i in range(self.options.gateways):
            self.members.append(self._closing(Member(self.directory, f"g{i:02}", self.balancer.port, self.options.rate)))
            self.members[-1].start()
        wait_until(lambda: all(member.sample("ferrule_uplink_up") for member in self.members), 60, "every gateway is online")

    def _look(self) -> int:
        """Messages queued at all gateways."""
        queued = [member.queued() for member in self.members]
        self.report.longest_queue = max([self.report.longest_queue, *queued])
        self.report.memory = max([self.report.memory, *(member.memory() for member in self.members)])
        return sum(queued)

    def _flow(self, seconds: float, what: str):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            queued = self._look()
            arrived = sum(inbox.count for inbox in list(self.backend.inboxes.values()))
            self.progress(f"{what}: {arrived} arrived, {queued} queued")
            time.sleep(1)

    def _wait_until_drained(self, what: str) -> float:
        """What is in flight at the moment counts as drained."""
        began = time.monotonic()
        wait_until(lambda: time.sleep(0.5) or self._look() <= 2 * len(self.members), _DRAIN, f"the queues are drained {what}")
        took = time.monotonic() - began
        self.report.longest_in_cluster = max([self.report.longest_in_cluster, *self.cluster.queues().values()])
        return took

    def _count_crowd(self, what: str, since: float):
        attempts = self.balancer.attempts_since(since)
        self.report.crowds.append((what, len(attempts), busiest(attempts, _WINDOW), busiest(attempts, 1)))

    def _kill(self, node):
        self._flow(3, "all is well")
        began = time.monotonic()
        node.kill()
        self.report.kills += 1
        self._flow(self.options.down, f"{node.name} is dead")
        node.start()
        node.wait_until_up()
        back = time.monotonic()
        self.report.recoveries.append(back - began + self._wait_until_drained(f"after {node.name} died"))
        self._count_crowd(f"{node.name} killed", began)

    def _take_the_address_away(self):
        began = time.monotonic()
        self.balancer.cut()
        self._flow(self.options.down, "the address is gone")
        restored = time.monotonic()
        self.balancer.restore()
        self.report.recoveries.append(restored - began + self._wait_until_drained("after the address came back"))
        self._count_crowd("address back", restored)

    def _finish(self):
        for member in self.members:
            member.publisher.finish()
        for member in self.members:
            inbox = self.backend.inboxes[member.name]
            ledger.wait_for_all(member.publisher, inbox, stalled_after=60 * SLOWNESS)
            acknowledged, seen = set(member.publisher.acknowledged), inbox.seen()
            self.report.acknowledged += len(acknowledged)
            self.report.repeated += inbox.count - len(seen)
            if missing := sorted(acknowledged - seen):
                self.report.lost[member.name] = missing[:20]
            if found := disorder(inbox.numbers):
                self.report.disordered[member.name] = found
        self.report.left_in_queues = self._look()
        self.report.left_in_cluster = self.cluster.queues()


def options(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="6 gateways, each node killed once and back soon")
    parser.add_argument("--queues", choices=("quorum", "mirrored"), default="quorum", help="of subscriptions in the cluster")
    parser.add_argument("--gateways", type=int)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rate", type=float, help="messages per second and gateway")
    parser.add_argument("--rounds", type=int, help="how often each node is killed")
    parser.add_argument("--down", type=float, help="seconds that a node, or the address, stays away")
    parsed = parser.parse_args(words)
    for name, usual, short in (("gateways", 20, 6), ("rate", 10.0, 10.0), ("rounds", 2, 1), ("down", 15.0, 5.0)):
        if getattr(parsed, name) is None:
            setattr(parsed, name, short if parsed.short else usual)
    return parsed


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ferrule-cluster-") as directory:
        run = Run(pathlib.Path(directory), options(), lambda line: print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True))
        try:
            report = run.run()
        except AssertionError as error:
            print(f"{run.report.text()}\nended early: {error}")
            return 1
    print(report.text())
    return 1 if report.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
