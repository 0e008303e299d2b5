"""The shipped examples pass `ferrule check`, and the one that systemd starts runs unchanged."""

import json
import os
import pathlib

import pytest

from rig.gateway import BINARY
from rig.process import Process

_SOURCE = pathlib.Path(__file__).parents[2]
_EXAMPLES = sorted((_SOURCE / "config/examples").glob("*.yaml"))


@pytest.mark.parametrize("file", _EXAMPLES, ids=lambda file: file.stem)
def test_example_passes_check(file):
    process = Process([BINARY, "check", file])
    assert process.wait(10) == 0, process.err
    assert "ok" in process.out[0] and not process.err


def _blocks(page: str):
    text = (_SOURCE / "docs" / page).read_text()
    return [block.split("```")[0] for block in text.split("```yaml\n")[1:]]


@pytest.mark.parametrize("number", range(len(_blocks("uplinks.md"))))
def test_configuration_in_docs_passes_check(number, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/azure-device-key").write_text("MDEyMzQ1Njc4OWFiY2RlZg==\n")
    file = tmp_path / "plant.yaml"
    file.write_text(_blocks("uplinks.md")[number])
    process = Process([BINARY, "check", file])
    assert process.wait(10) == 0, process.err
    assert not process.err


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
