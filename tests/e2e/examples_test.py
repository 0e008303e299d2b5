"""The shipped examples pass `ferrule check`, and the one that systemd starts runs unchanged."""

import json
import os
import pathlib

import pytest

from rig.gateway import BINARY
from rig.process import SLOWNESS, Process

_SOURCE = pathlib.Path(__file__).parents[2]
_EXAMPLES = sorted((_SOURCE / "config/examples").glob("*.yaml"))


@pytest.mark.parametrize("file", _EXAMPLES, ids=lambda file: file.stem)
def test_example_passes_check(file):
    process = Process([BINARY, "check", file])
    assert process.wait(10) == 0, process.err
    assert "ok" in process.out[0] and not process.err


def test_shipped_example_starts_unchanged():
    process = Process([BINARY, "run", _SOURCE / "config/examples/ferrule.yaml"])
    try:
        # Port 1883 may be taken on a developer's machine; then this is what it has to say.
        while process.running and not any("listening on 127.0.0.1:1883" in line for line in process.err):
            pass
        if process.running:
            process.child.terminate()
            assert process.wait(5) == 0, process.err
        else:
            assert process.wait(1) == 69 and "in use" in process.stderr_text, process.err
    finally:
        process.kill()


def test_directory_runs_as_its_files_merged(tmp_path):
    (tmp_path / "10-plant.yaml").write_text("gateway: {id: plant1}\nbuses: {plc: {type: modbus-tcp, host: 127.0.0.1}}\n"
                                            "devices: {m1: {bus: plc, points: {p: {register: holding, address: 0}}}}\n")
    (tmp_path / "20-local.yaml").write_text("devices: {m1: {unit_id: 7}}\nbroker: {listen: [{port: 1883}]}\n")
    checked = Process([BINARY, "check", tmp_path])
    assert checked.wait(10) == 0, checked.stderr_text
    assert "1 devices, 1 points" in checked.out[0], checked.out
    (tmp_path / "30-wrong.yaml").write_text("\ndevices: {m1: {unit_id: 7000}}\n")
    checked = Process([BINARY, "check", tmp_path])
    assert checked.wait(10) == 78
    assert f"{tmp_path}/30-wrong.yaml:2:25: error: devices.m1.unit_id" in checked.stderr_text


_MAPPING_TEST = """configuration: plant.yaml
tests:
  - name: right
    steps: [{device: m, registers: {p: 7}, publishes: {g/m/p: {v: 0.7}}}]
  - name: wrong
    steps:
      - device: m
        registers: {p: 7}
        publishes:
          g/m/p: {v: 0.8}
          g/m/q: {v: 1}
      - {device: m, registers: {p: 9}}
"""


def _mapping_test(tmp_path, text):
    (tmp_path / "plant.yaml").write_text("gateway: {id: g}\nbuses: {plc: {type: modbus-tcp, host: 127.0.0.1}}\n"
                                         "devices: {m: {bus: plc, points: {p: {register: holding, address: 0, scale: 0.1}}}}\n")
    (tmp_path / "tests.yaml").write_text(text)
    process = Process([BINARY, "test", tmp_path / "tests.yaml"])
    return process.wait(10), process


def test_shipped_tests_of_the_mapping_pass():
    process = Process([BINARY, "test", _SOURCE / "config/examples/tests/mapping.yaml"])
    assert process.wait(10) == 0, process.out
    assert process.out[-1] == "6 passed, 0 failed"


def test_tests_of_a_mapping_say_where_it_differs(tmp_path):
    code, process = _mapping_test(tmp_path, _MAPPING_TEST)
    file = tmp_path / "tests.yaml"
    assert code == 1
    assert process.out == [
        "ok     right", "FAILED wrong",
        f"""       {file}:10: g/m/p is {{"ts":1700000000000,"v":0.7,"q":"good"}}""",
        f"       {file}:11: nothing is published to g/m/q",
        f"""       {file}:12: g/m/p is published, too: {{"ts":1700000001000,"v":0.9,"q":"good"}}""",
        "1 passed, 1 failed"]


@pytest.mark.parametrize("steps, message", [
    ("{device: n, registers: {p: 1}}", 'steps[0].device: the configuration has no device "n"'),
    ("{device: m, registers: {p: [1, 2]}}", "steps[0].registers.p: p fills 1 register, these are 2"),
    ("{device: m, registers: {q: 1}}", 'steps[0].registers.q: device m has no point "q"'),
    ("{device: m}", "steps[0]: has nothing that the device says"),
    ("{device: m, failure: tired}", "steps[0].failure: must be one of"),
    ("{device: m, register: {p: 1}}", 'unknown key (did you mean "registers"?)')])
def test_tests_of_a_mapping_may_have_mistakes_of_their_own(tmp_path, steps, message):
    code, process = _mapping_test(tmp_path, f"configuration: plant.yaml\ntests: [{{name: t, steps: [{steps}]}}]\n")
    assert code == 78 and not process.out
    assert f"{tmp_path}/tests.yaml:2:" in process.stderr_text and message in process.stderr_text, process.stderr_text


def test_explain_shows_the_way_of_a_point(tmp_path):
    file = tmp_path / "plant.yaml"
    file.write_text("""
gateway: {id: g, state_dir: /tmp}
buses: {plc: {type: modbus-tcp, host: 10.0.0.5}}
devices:
  m:
    bus: plc
    unit_id: 7
    points:
      a: {register: holding, address: 300, type: uint16}
      level:
        {register: holding, address: 302, type: float32, byte_order: CDAB, unit: m, deadband: 2%, write: true,
         alarms: {full: {above: 9.5}}}
uplinks:
  hq: {url: "mqtt://hq", out: [{from: "g/m/level", to: "sites/{topic}", qos: 2}]}
  other: {url: "mqtt://other", out: [{from: "g/x/#"}]}
  lake: {url: "mqtt://lake", out: [{from: "g/#", to: "{topic:1..}", format: influx, qos: 0}]}
""")
    process = Process([BINARY, "explain", file, "m/level"])
    assert process.wait(10) == 0, process.err
    assert process.out == [
        "bus        plc: 10.0.0.5:502",
        "request    every 1 s: unit 7, function 3, 4 holding registers from 300",
        "           00 01 00 00 00 06 07 03 01 2C 00 04",
        "           for 2 points",
        "decode     register 2 to 3 of the answer",
        "           float32, CDAB",
        "           00 00 42 28 is 42",
        "unit       m",
        "publish    when quality changes, or the value by 2 %; again after 5 min",
        "           as json, QoS 1, retained",
        'payload    of 42: {"ts":1700000000000,"v":42,"q":"good","unit":"m"}',
        "topic      g/m/level",
        "alarm      above 9.5: g/m/level/alarm/full",
        "commands   g/m/level/set, by function 16",
        "uplink     hq: as sites/g/m/level, QoS 2",
        "           other: does not carry it",
        "           lake: as m/level, QoS 0, in the format influx, only while it is online"]
    process = Process([BINARY, "explain", file, "m/levle"])
    assert process.wait(10) == 64 and "did you mean m/level?" in process.stderr_text
    process = Process([BINARY, "explain", _SOURCE / "config/examples/system.yaml", "box/busy"])
    assert process.wait(10) == 0, process.err
    assert process.out[:2] == ["bus        here: this machine", "driver     device box, point busy"]


def _big_plant(file, written_out: bool):
    """100,020 points: 1,667 devices of 60, from one template or each written down."""
    points = "".join(f"      p{i}: {{register: holding, address: {i}, type: int16{', scale: 0.1, unit: V' if i % 2 else ''}}}\n"
                     for i in range(60))
    with file.open("w") as out:
        out.write("gateway: {id: big, state_dir: /tmp}\ntemplates:\n  meter:\n    points:\n" + points + "buses:\n")
        out.writelines(f"  b{bus}: {{type: modbus-tcp, host: h{bus}}}\n" for bus in range(9))
        out.write("devices:\n")
        for i in range(1667):
            out.write(f"  d{i}:\n    bus: b{i // 200}\n    unit_id: {i % 200 + 1}\n")
            out.write("    points:\n" + points if written_out else "    template: meter\n")


@pytest.mark.parametrize("written_out", [False, True], ids=["of_a_template", "written_out"])
def test_a_hundred_thousand_points_are_checked_within_300_megabytes(written_out, tmp_path):
    if SLOWNESS > 1:
        pytest.skip("a sanitizer's memory is not the gateway's")
    file = tmp_path / "plant.yaml"
    _big_plant(file, written_out)
    child = os.posix_spawn(BINARY, [BINARY, "check", str(file)], os.environ)
    _, status, used = os.wait4(child, 0)
    assert status == 0
    assert 20_000 < used.ru_maxrss < 300_000, "KiB"
