"""What a disk does to a queue: its log is deleted, it is slow, it goes read-only, a million rows lie on it."""

import json
import pathlib
import sqlite3
import subprocess
import time
import urllib.request

import pytest

import ledger
import plant
from faithful import FaithfulPublisher
from rig.clients import Paho
from rig.ports import free_port
from rig.process import SLOWNESS, wait_until
from rig.slaves import TcpSlave


def _backlog(gateway, count, per_second=20000):
    publisher = FaithfulPublisher(gateway.port, 1, per_second=per_second, window=500)
    wait_until(lambda: publisher.published >= count, 120, f"{count} are published")
    publisher.finish()
    return publisher


# FAULTS 6
def test_without_its_log_the_queue_opens_says_so_and_live_data_goes_on(cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    link.cut()
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)})
    http = free_port()
    gateway.config["gateway"]["http"] = f"127.0.0.1:{http}"
    gateway.write()
    gateway.start()
    _backlog(gateway, 500)
    gateway.kill()
    log = gateway.state_dir / "outbox-hq.db-wal"
    assert log.stat().st_size > 0
    log.unlink()
    gateway.start()
    assert "is gone, and with it what was written last" in gateway.process.stderr_text
    # What the alarm FerruleQueueSetAside of ops/prometheus-alerts.yaml looks at.
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=20) as answer:
        assert 'ferrule_queue_set_aside_total{uplink="hq"} 1' in answer.read().decode()
    link.restore()
    began = time.monotonic()
    publisher = ledger.Publisher(gateway.port, 1, per_second=100, after=100_000)
    wait_until(lambda: any(number > 100_000 for number in collector.seen()), 5, "live data arrives")
    print(f"live after {time.monotonic() - began:.1f} s")
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    assert not set(publisher.acknowledged) - collector.seen()


@pytest.fixture
def slow_disk(tmp_path):
    """The environment in which each fsync takes 200 ms longer."""
    if SLOWNESS > 1:
        pytest.skip("the sanitizers want to be preloaded first")
    shim = tmp_path / "slow_disk.so"
    source = pathlib.Path(__file__).parent / "slow_disk.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(shim)}


# FAULTS 12
def test_a_slow_disk_holds_up_acknowledgements_and_no_poll(slow_disk, cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    link.cut()
    slave = closing(TcpSlave({1: plant.CELLS}))
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)}, uplinks={"hq": plant.uplink(link.port)},
                           devices={"plc": plant.one_point("field", when="poll", interval="100ms")}).start(slow_disk)
    readings = closing(Paho(4).subscribe(gateway.port, "plant1/plc/uint16", qos=0))
    readings.next()
    began = time.monotonic()
    publisher = ledger.Publisher(gateway.port, 1, per_second=1000, window=1)

    def period():
        """In ms, of 15 polls."""
        times = [json.loads(readings.next().payload)["ts"] for _ in range(16)]
        return (times[-1] - times[0]) / 15
    # What else the machine does may hold up a poll, too, but not all the time.
    wait_until(lambda: 90 <= period() <= 110, 30, "the polls keep their period")
    publisher.finish()
    took = time.monotonic() - began
    print(f"{len(publisher.acknowledged)} acknowledged in {took:.1f} s")
    assert 1 <= len(publisher.acknowledged) <= took / 0.2 + 1, "each behind a sync of its own"
    gateway.kill()
    gateway.start()
    link.restore()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=False)


@pytest.fixture
def breakable_disk(closing, tmp_path):
    """The gateway's state directory on an ext4 that goes read-only at its first error."""
    image, directory = tmp_path / "disk.img", tmp_path / "state"
    directory.mkdir()
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no ext4 can be made here: {made.stderr.strip()}")
    mounted = subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, directory], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")

    class Disk:
        def break_down(self):
            device = subprocess.run(["findmnt", "-no", "SOURCE", directory], capture_output=True, text=True, check=True).stdout.strip()
            trigger = pathlib.Path("/sys/fs/ext4", pathlib.Path(device).name, "trigger_fs_error")
            if not trigger.exists():
                pytest.skip("this kernel cannot be told to find an error")
            trigger.write_text("on purpose\n")

        def mend(self):
            """Nobody may have a file open on it."""
            subprocess.run(["umount", directory], check=True)
            subprocess.run(["e2fsck", "-fy", image], capture_output=True)
            subprocess.run(["mount", "-o", "loop", image, directory], check=True)

        def close(self):
            subprocess.run(["umount", "-l", directory], check=True)

    return closing(Disk())


# FAULTS 13
def test_a_disk_that_goes_read_only_takes_no_acknowledgement_and_loses_none(breakable_disk, cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    link.cut()
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)}).start()
    first = _backlog(gateway, 300)
    breakable_disk.break_down()
    second = ledger.Publisher(gateway.port, 1, per_second=100, after=10_000)
    time.sleep(2)
    assert gateway.process.running
    assert not second.acknowledged, "acknowledged, though the disk is read-only"
    gateway.kill()
    second.finish()
    breakable_disk.mend()
    gateway.start()
    link.restore()
    ledger.wait_for_all(first, collector)
    assert not set(first.acknowledged) - collector.seen()


# FAULTS 24
def test_a_long_backlog_takes_no_memory(rounds, cloud, link, make_gateway, closing):
    link.cut()
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)}, queue={"max_size": "2GB"}).start()
    _backlog(gateway, 100)
    gateway.stop()
    rows = rounds(20_000, 1_000_000)
    _multiply(gateway.state_dir / "outbox-hq.db", rows)
    gateway.start()

    def memory():
        status = pathlib.Path(f"/proc/{gateway.process.child.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) >> 10

    collector = closing(ledger.Collector(cloud.port))
    link.restore()
    wait_until(lambda: collector.count >= rows, rounds(60, 280), f"{rows} rows drain")
    print(f"{rows} rows drained within {memory()} MB")
    assert memory() <= 64


# FAULTS 14
def test_live_messages_pass_a_backlog_that_drains(rounds, cloud, link, make_gateway, closing):
    rows, rate = rounds(40_000, 1_000_000), rounds(2_000, 20_000)
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)}, queue={"max_size": "2GB", "backfill": {"rate": rate}})
    live = closing(Paho(4).subscribe(cloud.port, "sites/plant1/live", qos=1))
    gateway.start()
    wait_until(lambda: gateway.process.stderr_text.count("uplink hq: online") == 1, 20, "it is online")
    publisher = Paho(4)

    def late(count):
        """How late each of them arrives, in order of time taken."""
        times = []
        for number in range(count):
            began = time.monotonic()
            publisher.publish(gateway.port, "plant1/live", str(number), qos=1)
            assert live.next().payload == str(number)
            times.append(time.monotonic() - began)
        return sorted(times)
    normal = late(40)
    link.cut()
    _backlog(gateway, 100)
    gateway.stop()
    _multiply(gateway.state_dir / "outbox-hq.db", rows)
    link.restore()
    collector = closing(ledger.Collector(cloud.port))
    gateway.start()
    wait_until(lambda: collector.count > 0, 20, "it drains")
    beside = late(40)
    left = rows - collector.count
    print(f"ms without a backlog and beside it: median {normal[20] * 1e3:.1f} {beside[20] * 1e3:.1f}, most {normal[-1] * 1e3:.1f} {beside[-1] * 1e3:.1f}")
    assert left > rows / 10, "it was drained before the live messages were through"
    assert beside[20] <= 2 * normal[20] + 0.05 * SLOWNESS  # a busy machine adds as it likes; bench/backfill measures the rest
    if rounds.full:
        wait_until(lambda: collector.count >= rows, 280, f"{rows} rows drain")


def _multiply(database, rows):
    """Fills the queue with copies of its last row."""
    with sqlite3.connect(database) as connection:
        last, begin = connection.execute("SELECT (SELECT max(seq) FROM queue), reserved FROM meta").fetchone()
        count, = connection.execute("SELECT count(*) FROM queue").fetchone()
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) INSERT INTO queue "
            "SELECT ? + i, topic, flags, payload, properties, published, expires FROM n, queue WHERE queue.seq = ?",
            (rows - count, begin, last))
        connection.execute(
            "UPDATE meta SET reserved = ?, counted = (SELECT max(seq) FROM queue), rows = ?, bytes = (SELECT sum(48 + length(payload) + length(name)) "
            "FROM queue JOIN topic ON topic.id = queue.topic)", (begin + rows, rows))
    connection.close()
