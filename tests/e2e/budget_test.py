"""`ferrule check` says how busy each serial line will be."""

import json

from rig.gateway import BINARY
from rig.process import Process


def _check(tmp_path, interval: str, baud: int):
    points = {f"p{i}": {"register": "holding", "address": 20 * i} for i in range(10)}
    file = tmp_path / "line.yaml"
    file.write_text(json.dumps({
        "version": 1, "gateway": {"id": "plant1"},
        "buses": {"line1": {"type": "modbus-rtu", "port": "/dev/ttyS1", "line": {"baud": baud}}},
        "devices": {"m": {"bus": "line1", "interval": interval, "points": points}}}))
    process = Process([BINARY, "check", file])
    return process.wait(10), process.out


def test_line_with_enough_time(tmp_path):
    code, lines = _check(tmp_path, "10s", 9600)
    assert code == 0
    assert lines[1].endswith("bus line1: 10 requests take 5 % of the line's time"), lines


def test_line_that_cannot_keep_up_and_the_cheapest_change(tmp_path):
    code, lines = _check(tmp_path, "400ms", 9600)
    assert code == 0
    assert "10 requests take 101 % of the line's time: too much to keep up; " in lines[1], lines
    assert lines[1].endswith("19200 baud brings it to 70 %"), lines
