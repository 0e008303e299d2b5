"""The power fails: what is on the disk at that moment is all there is.

The gateway's state lies on an ext4 in an image on an XFS. A reflink copy of the image, taken while the gateway is stopped in its
tracks, is the disk as the power cut leaves it: without what no fsync has brought there, and the kernel has not by itself.
"""

import pathlib
import signal
import sqlite3
import subprocess
import time

import pytest

import ledger
import plant
from faithful import FaithfulPublisher


def _run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


class _Disk:
    """Mounted at `directory`."""

    def __init__(self, host: pathlib.Path, directory: pathlib.Path):
        self.host, self.directory, self.image = host, directory, host / "disk.img"
        self._mounted = []
        for path in (host, directory):
            path.mkdir()
        with open(host.with_suffix(".img"), "wb") as file:
            file.truncate(400 << 20)
        self._do("mkfs.xfs", "-q", "-f", "-m", "reflink=1", host.with_suffix(".img"))
        self._mount(host.with_suffix(".img"), host)
        with open(self.image, "wb") as file:
            file.truncate(48 << 20)
        self._do("mkfs.ext4", "-q", "-F", self.image)
        self._mount(self.image, directory)

    def copy(self):
        """The disk of this moment."""
        self._do("cp", "--reflink=always", self.image, self.host / "crash.img")

    def replace(self):
        """By the copy. Nobody may have a file open on it."""
        self._unmount(self.directory)
        (self.host / "crash.img").rename(self.image)
        self._mount(self.image, self.directory)

    def close(self):
        for path in reversed(list(self._mounted)):
            self._unmount(path)

    def _do(self, *command):
        try:
            done = _run(*command)
        except FileNotFoundError as error:
            done = subprocess.CompletedProcess(command, 1, "", str(error))
        if done.returncode != 0:
            self.close()
            pytest.skip(f"no disk can be made here: {done.stderr.strip()}")

    def _mount(self, image, directory):
        self._do("mount", "-o", "loop", image, directory)
        self._mounted.append(directory)

    def _unmount(self, directory):
        subprocess.run(["umount", directory], check=True)
        self._mounted.remove(directory)


def _check_integrity(state: pathlib.Path, scratch: pathlib.Path):
    """Of copies, because looking at a log changes it."""
    checked = 0
    for database in state.glob("*.db"):
        for suffix in ("", "-wal"):
            if pathlib.Path(f"{database}{suffix}").exists():
                (scratch / f"{database.name}{suffix}").write_bytes(pathlib.Path(f"{database}{suffix}").read_bytes())
        with sqlite3.connect(scratch / database.name) as connection:
            result = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()
        for file in scratch.glob(f"{database.name}*"):
            file.unlink()
        assert result == ("ok",), f"{database.name}: {result}"
        checked += 1
    assert checked >= 2


# FAULTS 4
@pytest.mark.parametrize("qos", [1, 2])
def test_the_power_fails(qos, dice, rounds, cloud, make_gateway, closing, tmp_path):
    disk = closing(_Disk(tmp_path / "host", tmp_path / "disk"))
    collector = closing(ledger.Collector(cloud.port))
    gateway = make_gateway(uplinks={"hq": plant.uplink(cloud.port, qos=qos)})
    gateway.state_dir = disk.directory / "state"
    gateway.config["gateway"]["state_dir"] = str(gateway.state_dir)
    gateway.write()
    gateway.start()
    publisher = FaithfulPublisher(gateway.port, qos, per_second=1000)
    for _ in range(rounds(5, 50)):
        time.sleep(dice.uniform(0.1, 0.6))
        gateway.process.signal(signal.SIGSTOP)
        disk.copy()
        gateway.kill()
        disk.replace()
        _check_integrity(gateway.state_dir, tmp_path)
        gateway.start()
    publisher.finish()
    ledger.wait_for_all(publisher, collector)
    ledger.check(publisher, collector, exactly_once=qos == 2)
    assert len(publisher.acknowledged) == publisher.published
    gateway.stop()
