"""Bad input: one clear line, the right exit code, and no half-started gateway."""

import os
import pathlib
import socket

import pytest

import plant
from rig.clients import Mosquitto
from rig.cloud import Link
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import RtuSlave

EX_USAGE, EX_UNAVAILABLE, EX_CANTCREAT, EX_CONFIG = 64, 69, 73, 78


def _expect_refusal(arguments, exit_code: int, *words: str):
    """The program ends with this code and one line of error that holds all the words; the lines below it show the source."""
    process = Process([BINARY, *arguments])
    assert process.wait(10) == exit_code, process.err
    errors = [line for line in process.err if "error:" in line]
    assert len(errors) == 1, process.err
    for word in words:
        assert word in errors[0], errors[0]
    assert len(process.err) <= 3, process.err  # with the source line and a caret
    assert not process.out


@pytest.fixture(params=["run", "check"])
def verb(request):
    return request.param


def test_missing_file(verb, tmp_path):
    _expect_refusal([verb, tmp_path / "absent.yaml"], EX_CONFIG, "absent.yaml", "does not exist")


def test_directory(verb, tmp_path):
    _expect_refusal([verb, tmp_path], EX_CONFIG, str(tmp_path), "directory")


def test_empty_file(verb, tmp_path):
    file = tmp_path / "empty.yaml"
    file.touch()
    _expect_refusal([verb, file], EX_CONFIG, "empty.yaml", "empty")


def test_binary_garbage(verb, tmp_path):
    file = tmp_path / "garbage.yaml"
    file.write_bytes(bytes(range(256)) * 64)
    _expect_refusal([verb, file], EX_CONFIG, "garbage.yaml")


def test_broken_yaml(verb, tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text("version: 1\nbuses: {plc: [}\n")
    _expect_refusal([verb, file], EX_CONFIG, "broken.yaml:2:")


def test_wrong_type(verb, tmp_path):
    file = tmp_path / "type.yaml"
    file.write_text("version: 1\nbroker:\n  listen: [{port: ninety}]\n")
    _expect_refusal([verb, file], EX_CONFIG, "type.yaml:3:", "broker.listen", "port", "ninety")


def test_unknown_key(verb, tmp_path):
    file = tmp_path / "key.yaml"
    file.write_text("version: 1\nbrokr: {}\n")
    _expect_refusal([verb, file], EX_CONFIG, "key.yaml:2:1:", "brokr", "did you mean", "broker")


def test_every_mistake_in_one_run(tmp_path):
    file = tmp_path / "three.yaml"
    file.write_text("version: 1\nbrokr: {}\npublish: {qos: 3, retain: yes}\n")
    process = Process([BINARY, "check", file])
    assert process.wait(10) == EX_CONFIG
    assert len([line for line in process.err if "error:" in line]) == 3, process.err


def test_duplicate_unit(verb, make_gateway):
    gateway = make_gateway(buses={"field": plant.tcp_bus(502)},
                           devices={"one": plant.one_point("field", unit_id=7), "two": plant.one_point("field", unit_id=7)})
    _expect_refusal([verb, gateway.file], EX_CONFIG, "devices.two", "7", "one")


def test_port_in_use(make_gateway, tmp_path):
    gateway = make_gateway(uplinks={"hq": plant.uplink(free_port())})
    with socket.create_server(("127.0.0.1", gateway.port)):
        _expect_refusal(["run", gateway.file], EX_UNAVAILABLE, str(gateway.port), "in use")


def test_one_of_two_ports_in_use_leaves_no_half_started_gateway(make_gateway):
    gateway = make_gateway()
    taken = free_port()
    gateway.config["broker"]["listen"].append({"port": taken})
    gateway.write()
    with socket.create_server(("127.0.0.1", taken)):
        _expect_refusal(["run", gateway.file], EX_UNAVAILABLE, str(taken), "in use")
    assert not accepts(gateway.port)


def test_state_directory_below_a_file(make_gateway, tmp_path):
    (tmp_path / "file").write_text("")
    gateway = make_gateway(uplinks={"hq": plant.uplink(free_port())})
    gateway.config["gateway"]["state_dir"] = str(tmp_path / "file/state")
    gateway.write()
    _expect_refusal(["run", gateway.file], EX_CANTCREAT, "gateway.state_dir", str(tmp_path / "file/state"))
    assert not accepts(gateway.port)


def test_read_only_state_directory(make_gateway, tmp_path):
    state = tmp_path / "read-only"
    state.mkdir(mode=0o555)
    if os.access(state, os.W_OK):  # root may write anywhere but in the kernel's own file system
        state = pathlib.Path("/proc/ferrule")
    gateway = make_gateway(uplinks={"hq": plant.uplink(free_port())})
    gateway.config["gateway"]["state_dir"] = str(state)
    gateway.write()
    _expect_refusal(["run", gateway.file], EX_CANTCREAT, "gateway.state_dir", str(state))
    assert not accepts(gateway.port)


# FAULTS 26
def test_second_process_on_one_queue_is_refused(make_gateway, cloud):
    first = make_gateway(uplinks={"hq": plant.uplink(cloud.port)}).start()
    second = make_gateway(uplinks={"hq": plant.uplink(cloud.port)})  # the same file and state directory, another port
    _expect_refusal(["run", second.file], EX_CANTCREAT, "outbox-hq.db")
    assert first.process.running


def test_missing_serial_port_is_reported_and_retried_while_the_rest_runs(make_gateway, closing, tmp_path):
    path = tmp_path / "ttyGone"
    gateway = make_gateway(buses={"line1": plant.rtu_bus(path, reconnect="100ms..300ms")},
                           devices={"meter": plant.one_point("line1")}).start()
    bad = closing(Mosquitto(4).subscribe(gateway.port, "plant1/meter/uint16")).next()
    assert '"q":"bad"' in bad.payload and '"err":"port-lost"' in bad.payload
    report = wait_until(lambda: [line for line in gateway.process.err if str(path) in line], 5, "a log line about the port")
    assert "line1" in report[0]
    # It appears, and without a restart the values are there.
    slave = closing(RtuSlave(tmp_path / "line", 1, {1: plant.CELLS}))
    path.symlink_to(slave.path)
    subscriber = closing(Mosquitto(4).subscribe(gateway.port, "plant1/meter/uint16"))
    while '"q":"bad"' in (payload := subscriber.next(timeout=15).payload):
        pass
    assert '"v":65535' in payload


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run"], ["run", "a", "b"], ["check", "--nonsense", "a"], ["demo", "--seed", "x"],
                                       ["demo", "--cloud", "mqtt://a:80x"]],
                         ids=lambda arguments: "_".join(["ferrule", *arguments]).translate(str.maketrans(":/", "__", "-")))
def test_wrong_command_line(arguments):
    process = Process([BINARY, *arguments])
    assert process.wait(10) == EX_USAGE, process.err
    assert not process.out and process.err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["check", "--help"], ["demo", "--help"], ["version", "--help"]],
                         ids=lambda arguments: arguments[0].strip("-"))
def test_help(arguments):
    process = Process([BINARY, *arguments])
    assert process.wait(10) == 0
    assert any("Usage" in line for line in process.out), process.out
    assert not process.err


def test_version():
    process = Process([BINARY, "version"])
    assert process.wait(10) == 0
    assert process.out[0].startswith("ferrule ") and len(process.out) == 1


def test_unreachable_cloud_does_not_keep_the_gateway_from_starting(make_gateway, closing):
    link = closing(Link(0))
    link.cut()
    gateway = make_gateway(uplinks={"hq": plant.uplink(link.port)}).start()
    wait_until(lambda: "hq" in gateway.process.stderr_text, 10, "a log line about the uplink")
