"""`ferrule demo`: what a stranger sees first."""

import signal
import socket
import time

from rig.gateway import BINARY
from rig.process import Process, wait_until


def _run_once(*options):
    began = time.monotonic()
    process = Process([BINARY, "demo", "--once", *options])
    code = process.wait(90)
    print("\n".join(process.out + process.err))
    assert time.monotonic() - began < 60
    return code, process


def _expect_plain_text(process):
    for line in process.out + process.err:
        assert all(character.isprintable() for character in line), repr(line)


def test_once_delivers_everything_exactly_once():
    code, process = _run_once("--seed", "7")
    assert code == 0
    _expect_plain_text(process)
    text = "\n".join(process.out)
    assert "mosquitto_sub" in text  # the next command to try
    for word in ("uplink", "queue", "good"):
        assert word in text.lower(), word


def test_once_with_another_broker_as_the_cloud(cloud):
    code, process = _run_once("--cloud", f"mqtt://127.0.0.1:{cloud.port}")
    assert code == 0
    assert any("PUBLISH" in line for line in cloud.process.err)


def test_moves_to_a_free_port_and_ends_on_sigint():
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 1883))
            taken.listen()
        except OSError:
            pass  # taken by somebody else: as good
        process = Process([BINARY, "demo"])
        try:
            wait_until(lambda: any("mosquitto_sub" in line for line in process.out), 20, "the demo names the next command")
            assert not any("-p 1883" in line for line in process.out)
            _expect_plain_text(process)
            began = time.monotonic()
            process.signal(signal.SIGINT)
            process.wait(10)
            assert time.monotonic() - began < 4
        finally:
            process.kill()


def test_ends_when_nobody_reads_what_it_prints():
    process = Process(["bash", "-c", '"$0" demo | head -n 1; exit ${PIPESTATUS[0]}', BINARY])
    assert process.wait(30) == 74
    assert len(process.out) == 1
