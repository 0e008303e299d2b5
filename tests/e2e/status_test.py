"""What an operator asks the running gateway."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import stat
import struct
import termios

import plant
from rig.gateway import BINARY
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import TcpSlave


def _started(gateway):
    """Its control socket opens behind its broker."""
    gateway.start()
    wait_until(gateway.control.exists, 10, "the control socket is there")
    return gateway


def _ask(gateway, *arguments):
    process = Process([BINARY, *arguments, "--socket", gateway.control])
    return process.wait(20), process.out, process.err


def _status(gateway):
    code, out, err = _ask(gateway, "status", "--json")
    assert code in (0, 1), err
    return code, json.loads("\n".join(out))


def _device(bus):
    return {"bus": bus, "interval": "100ms", "points": {"p": {"register": "holding", "address": 100, "type": "uint16"}}}


def test_status_tells_the_dead_from_the_living(make_gateway, closing):
    slave = closing(TcpSlave({1: {("holding", 100): 7}}))
    gateway = make_gateway(buses={"good": plant.tcp_bus(slave.port), "bad": plant.tcp_bus(free_port())},
                           devices={"meter": _device("good"), "plc": _device("bad")})
    _started(gateway)
    wait_until(lambda: len(_status(gateway)[1]["problems"]) == 1 and
               _status(gateway)[1]["buses"][0]["devices"][0]["state"] == "ok", 20, "one device is good, one is not")
    code, status = _status(gateway)
    assert code == 1 and status["problems"][0].startswith("bus bad: "), status
    assert status["id"] == "plant1" and status["broker"]["listening"] == [f"127.0.0.1:{gateway.port}"]
    code, out, err = _ask(gateway, "status")
    assert code == 1 and not err
    assert out[1] == "1 problem:" and out[2].startswith("  bus bad: "), out


def test_status_ends_with_0_when_all_is_well(make_gateway):
    gateway = _started(make_gateway())
    code, out, _ = _ask(gateway, "status")
    assert code == 0 and out[1].startswith("all is well: "), out


def test_tap_shows_what_passes_as_lines_and_as_json(make_gateway, closing):
    gateway = _started(make_gateway())
    path = gateway.control
    lines = closing(_Tapping(path, "plant1/+", "--count", 2))
    objects = closing(_Tapping(path, "#", "--json"))
    _until_tapped(gateway, lines, objects)
    for topic, payload in (("plant1/a", "one"), ("other/b", "\x1b[2J"), ("plant1/c", "two")):
        publisher = Process(["mosquitto_pub", "-p", gateway.port, "-t", topic, "-m", payload, "-q", 1, "-i", "me"])
        assert publisher.wait(10) == 0
    assert lines.process.wait(10) == 0
    assert [line.split(" ", 1)[1] for line in lines.process.out] == ["plant1/a one", "plant1/c two"]
    wait_until(lambda: len(objects.items()) == 3, 10, "three items")
    assert [(item["topic"], item["payload"], item["bytes"], item["qos"], item["from"]) for item in objects.items()] == \
        [("plant1/a", "one", 3, 1, "me"), ("other/b", "\x1b[2J", 4, 1, "me"), ("plant1/c", "two", 3, 1, "me")]


class _Tapping:
    def __init__(self, path, *arguments):
        self.process = Process([BINARY, "tap", *arguments, "--socket", path])

    def items(self):
        return [json.loads(line) for line in self.process.out]

    def close(self):
        self.process.kill()


def _until_tapped(gateway, *taps):
    """The gateway has as many clients of its control socket as there are taps, and has read their requests."""
    def seen():
        connected = len([line for line in open("/proc/net/unix") if line.rstrip().endswith(str(gateway.control))])
        return connected > len(taps)
    wait_until(seen, 10, "the taps are connected")
    assert _status(gateway)[0] == 0  # asked after them, answered after them


def test_tap_refuses_what_is_no_filter(make_gateway):
    gateway = _started(make_gateway())
    code, _, err = _ask(gateway, "tap", "a/#/b")
    assert code == 65 and err == ["ferrule: the filter is not a valid topic filter"]


def test_top_prints_devices_and_values_once_without_a_terminal(make_gateway, closing):
    slave = closing(TcpSlave({1: {("holding", 100): 7}}))
    gateway = make_gateway(buses={"good": plant.tcp_bus(slave.port)}, devices={"meter": _device("good")})
    _started(gateway)

    def shown():
        code, out, err = _ask(gateway, "top")
        assert code == 0, err
        return [line.split()[:4] for line in out if line.startswith("meter ")]
    wait_until(lambda: shown() == [["meter", "p", "7", "-"]] or shown() == [["meter", "p", "7", "good"]], 20, "the value")


def test_top_draws_on_a_terminal_and_gives_it_back(make_gateway):
    gateway = _started(make_gateway())
    top, terminal = pty.fork()
    if top == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        os.environ["TERM"] = "xterm"
        os.execv(BINARY, [BINARY, "top", "--socket", str(gateway.control)])
    seen = b""

    def read():
        nonlocal seen
        with contextlib.suppress(OSError):  # the terminal's other end is gone
            if select.select([terminal], [], [], 0)[0]:
                seen += os.read(terminal, 65536)
        return seen
    wait_until(lambda: b"all is well" in read(), 10, "the status is drawn")
    os.kill(top, signal.SIGINT)
    wait_until(lambda: b"\x1b[?1049l" in read(), 10, "the terminal is given back")
    assert os.waitstatus_to_exitcode(os.waitpid(top, 0)[1]) == 0
    os.close(terminal)


def test_status_says_that_no_gateway_runs():
    process = Process([BINARY, "status", "--socket", "/tmp/no-such-directory/none.sock"])
    assert process.wait(10) == 69
    assert process.err[0].startswith("ferrule: no gateway answers at "), process.err


def test_control_socket_speaks_lines_of_json_and_goes_with_the_gateway(make_gateway):
    gateway = _started(make_gateway())
    path = gateway.control
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rw") as lines:
        client.connect(str(path))
        lines.write('{"id": 1, "command": "points"}\n{"id": 2, "command": "nonsense"}\n')
        lines.flush()
        assert json.loads(lines.readline()) == {"id": 1, "result": []}
        answer = json.loads(lines.readline())
        assert answer["id"] == 2 and answer["error"]["code"] == "unknown-command"
    gateway.stop()
    assert not path.exists()


def test_gateway_runs_without_a_control_socket_that_nobody_asked_for(make_gateway, tmp_path):
    gateway = make_gateway()
    del gateway.config["gateway"]["control"]
    gateway.write()
    (gateway.state_dir / "control.sock").mkdir(parents=True)
    gateway.start()
    wait_until(lambda: "; ferrule status and its kin cannot ask this gateway"
               in gateway.process.stderr_text, 10, "the warning")


def test_gateway_does_not_start_without_the_control_socket_that_it_names(make_gateway, tmp_path):
    gateway = make_gateway()
    gateway.config["gateway"]["control"] = "/proc/control.sock"
    gateway.write()
    gateway.spawn()
    assert gateway.process.wait(10) == 69
    assert "gateway.control" in gateway.process.stderr_text
