"""A first configuration, as somebody makes it who has just installed Ferrule."""

import os
import pty
import subprocess

from rig.gateway import BINARY
from rig.process import Process


def _run(*arguments):
    process = Process([BINARY, *arguments], stdin="")
    return process.wait(20), "\n".join(process.out), "\n".join(process.err)


def test_what_is_given_becomes_a_file_that_passes_check(tmp_path):
    file = tmp_path / "plant.yaml"
    code, out, _ = _run("init", file, "--id", "plant1", "--rtu", "/dev/ttyUSB7", "--tcp", "10.0.0.5", "--cloud", "mqtt://hq.example")
    assert code == 0
    for line in (f"ferrule scan {file} line1", f"ferrule read {file} plc1", f"ferrule uplink test {file} cloud", f"ferrule run {file}"):
        assert line in out
    code, out, err = _run("check", file)
    assert code == 0 and "3 buses, 3 devices, 5 points, 1 uplinks" in out, err


def test_a_file_that_is_there_is_not_touched(tmp_path):
    file = tmp_path / "plant.yaml"
    file.write_text("mine")
    code, _, err = _run("init", file)
    assert code == 73 and "is there already" in err
    assert file.read_text() == "mine"


def test_what_makes_no_sense_is_told_and_not_written(tmp_path):
    file = tmp_path / "plant.yaml"
    code, _, err = _run("init", file, "--cloud", "hq.example")
    assert code == 78 and "uplinks.cloud.url" in err
    assert not file.exists()


def test_it_asks_on_a_terminal(tmp_path):
    file = tmp_path / "plant.yaml"
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BINARY, "init", file], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""

    def answer(question, text):
        nonlocal shown
        while question not in shown:
            shown += os.read(ours, 4096).decode()
            if "Modbus RTU devices at" in shown.rsplit("\n", 1)[-1]:  # ports that this machine happens to have
                os.write(ours, b"n\n")
                shown = ""
        shown = ""
        os.write(ours, text.encode() + b"\n")

    answer("Name of this gateway", "plant7")
    answer("Address of a Modbus TCP device", "10.0.0.5:1502")
    answer("Address of a Modbus TCP device", "")
    answer("URL of a cloud", "")
    assert process.wait(20) == 0
    os.close(ours)
    text = file.read_text()
    assert 'id: "plant7"' in text and 'host: "10.0.0.5", port: 1502' in text
    assert _run("check", file)[0] == 0
