"""A state directory of a few megabytes that is full: the policy holds, what is queued drains, a start works."""

import subprocess

import pytest

import ledger
import plant
from rig.process import wait_until

_SIZE = 4 << 20


def _mount(directory):
    directory.mkdir()
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0700", "tmpfs", directory], capture_output=True, text=True)
    if result.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {result.stderr.strip()}")


@pytest.fixture
def small_disk(closing, tmp_path):
    """The gateway's state directory on a disk of 4 MB."""
    directory = tmp_path / "state"
    _mount(directory)

    class Disk:
        def fill(self):
            with open(directory / "other", "ab", buffering=0) as other:
                try:
                    while True:
                        other.write(b"x" * 4096)
                except OSError:
                    pass  # full

        def close(self):
            subprocess.run(["umount", "-l", directory], check=True)

    return closing(Disk())


def _publish(gateway, count, after=0):
    """QoS 1 publications of 600 bytes. Where one is refused the connection ends (there is no other way to say so in MQTT 3.1.1)
    and the next one goes on."""
    publisher = ledger.Publisher(gateway.port, 1, per_second=5000, after=after, width=600)
    wait_until(lambda: publisher.published >= after + count, 60, f"{count} are published")
    publisher.finish()
    return publisher


# FAULTS 9
@pytest.mark.parametrize("other_program", [False, True], ids=["by_the_queue", "by_another_program"])
def test_a_full_disk_loses_nothing_acknowledged_and_drains(other_program, small_disk, cloud, link, make_gateway, closing):
    collector = closing(ledger.Collector(cloud.port))
    link.cut()
    gateway = make_gateway(queue={"when_full": "reject"}, uplinks={"hq": plant.uplink(link.port)}).start()
    publishers = [_publish(gateway, 1000 if other_program else 10000)]
    if other_program:
        small_disk.fill()
        publishers.append(_publish(gateway, 1000, after=10000))
    assert len(publishers[-1].acknowledged) < publishers[-1].published - 10000 * other_program
    assert "is full" in gateway.process.stderr_text
    gateway.kill()
    small_disk.fill()
    gateway.start()
    link.restore()
    for publisher in publishers:
        ledger.wait_for_all(publisher, collector)
        assert not set(publisher.acknowledged) - collector.seen()
    # Without another restart it takes publications again.
    again = _publish(gateway, 50, after=20000)
    ledger.wait_for_all(again, collector)
    ledger.check(again, collector, exactly_once=False)
    gateway.stop()
    for path in gateway.state_dir.glob("*.db*"):
        assert path.stat().st_mode & 0o777 == 0o600, path
