"""The shipped templates: each names its source, and a device that holds what its vendor's table says is published as that table means it."""

import json
import pathlib
import re
import time

import pytest

import plant
from device_tables import DEVICES
from rig.clients import Mosquitto
from rig.gateway import BINARY
from rig.process import SLOWNESS, Process
from rig.slaves import TcpSlave

_SOURCE = pathlib.Path(__file__).parents[2]
_TEMPLATES = sorted((_SOURCE / "config/templates").glob("*.yaml"))


def test_each_template_names_its_source_and_has_a_device():
    assert {file.stem for file in _TEMPLATES} == set(DEVICES)
    for file in _TEMPLATES:
        head = file.read_text().split("\npoints:")[0]
        assert re.match(r"# \S.*[^.]\n#\n", head), f"{file.stem}: no title"
        assert re.search(r"^# Source: \w.*(\n#   .*)*?https?://\S+", head, re.MULTILINE), f"{file.stem}: no source with an address"
        assert re.search(r"^# Confirmed: \w", head, re.MULTILINE), f"{file.stem}: does not say what is confirmed"


def test_the_page_lists_all_templates():
    rows = [f"| [`{file.stem}`](../config/templates/{file.name}) | {file.read_text().splitlines()[0][2:]} |" for file in _TEMPLATES]
    page = (_SOURCE / "docs/templates.md").read_text()
    assert re.findall(r"^\| \[`.*$", page, re.MULTILINE) == rows


def _cells(device) -> dict:
    """With the registers between those of the table, which a device has, too."""
    gaps = {(table, address + i): 0 for table, address in device.cells for i in range(-9, 9) if 0 <= address + i <= 65535}
    return gaps | device.cells


def _is(value, expected) -> bool:
    if isinstance(expected, float):
        return isinstance(value, (int, float)) and value == pytest.approx(expected, rel=1e-12)
    return value == expected


def test_devices_are_published_as_the_tables_of_their_vendors_mean(make_gateway, closing):
    units = {name: unit for unit, name in enumerate(DEVICES, start=1)}
    slave = closing(TcpSlave({units[name]: _cells(device) for name, device in DEVICES.items()}))
    devices = {name: {"bus": "field", "unit_id": unit, "template": name} for name, unit in units.items()}
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port, timeout="5s")}, devices=devices, publish={"retain": True})
    checked = Process([BINARY, "check", gateway.file])
    assert checked.wait(20) == 0 and not checked.err, checked.err
    gateway.start()
    subscriber = closing(Mosquitto(5).subscribe(gateway.port, "plant1/+/+", qos=1))
    missing = {(name, point): value for name, device in DEVICES.items() for point, value in device.expected.items()}
    published = len(missing)
    assert f"{len(DEVICES)} devices, {published} points" in checked.out[0], "a point of a template is in no table"
    deadline = time.monotonic() + 60 * SLOWNESS
    while missing and time.monotonic() < deadline:
        publication = subscriber.next(timeout=30)
        place = tuple(publication.topic.split("/")[1:])
        payload = json.loads(publication.payload)
        if payload["q"] == "good" and place in missing:
            assert _is(payload["v"], missing[place]), f"{publication}, expected {missing[place]!r}"
            del missing[place]
    assert not missing


def test_a_template_beside_the_configuration_hides_the_shipped_one_and_is_overridden_by_the_device(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/eastron-sdm120.yaml").write_text("points: {only: {register: input, address: 7, scale: 0.1}}\n")
    (tmp_path / "plant.yaml").write_text("""
gateway: {id: g, state_dir: /tmp}
buses: {plc: {type: modbus-tcp, host: 10.0.0.5}}
devices:
  a: {bus: plc, template: eastron-sdm120, points: {only: {unit: V}}}
  b: {bus: plc, unit_id: 2, template: eastron-sdm230, points: {power: {unit: kW, scale: 0.001}}}
""")
    explained = Process([BINARY, "explain", tmp_path / "plant.yaml", "a/only"])
    assert explained.wait(10) == 0, explained.err
    assert any("input registers from 7" in line for line in explained.out) and "unit       V" in explained.out
    explained = Process([BINARY, "explain", tmp_path / "plant.yaml", "b/power"])
    assert explained.wait(10) == 0, explained.err
    assert "unit       kW" in explained.out


def test_a_misspelt_template_is_likened_to_a_shipped_one(tmp_path):
    file = tmp_path / "plant.yaml"
    file.write_text("buses: {plc: {type: modbus-tcp, host: 10.0.0.5}}\ndevices: {m: {bus: plc, template: eastron-smd630}}\n")
    checked = Process([BINARY, "check", file])
    assert checked.wait(10) == 78
    assert 'there is no template "eastron-smd630" (did you mean "eastron-sdm630"?)' in checked.stderr_text


def test_a_mistake_in_a_template_has_its_place_there(tmp_path):
    (tmp_path / "templates").mkdir()
    template = tmp_path / "templates/mine.yaml"
    template.write_text("points:\n  p: {register: inputs, address: 1, adress: 2}\n")
    (tmp_path / "plant.yaml").write_text("buses: {plc: {type: modbus-tcp, host: 10.0.0.5}}\n"
                                         "devices: {m: {bus: plc, template: mine}, n: {bus: plc, unit_id: 2, template: mine}}\n")
    checked = Process([BINARY, "check", tmp_path / "plant.yaml"])
    assert checked.wait(10) == 78
    errors = [line for line in checked.err if ": error: " in line]
    assert len(errors) == 2, errors
    assert f'{template}:2:17: error: templates.mine.points.p.register: must be one of coil, discrete, input, holding' in errors[0]
    assert f'{template}:2:37: error: templates.mine.points.p.adress: unknown key' in errors[1]
    template.write_text("points: [")
    checked = Process([BINARY, "check", tmp_path / "plant.yaml"])
    assert checked.wait(10) == 78
    assert len([line for line in checked.err if ": error: " in line]) == 1 and f"{template}:1:" in checked.stderr_text, checked.err


def _imported(tmp_path, name, *arguments):
    """Makes a template with `ferrule import` and checks a configuration that has it. The line that `check` prints."""
    (tmp_path / "templates").mkdir(exist_ok=True)
    process = Process([BINARY, "import", *arguments])
    assert process.wait(10) == 0, process.err
    (tmp_path / f"templates/{name}.yaml").write_text("\n".join(process.out) + "\n")
    file = tmp_path / "plant.yaml"
    file.write_text(f"buses: {{plc: {{type: modbus-tcp, host: 10.0.0.5}}}}\ndevices: {{m: {{bus: plc, template: {name}}}}}\n")
    checked = Process([BINARY, "check", file])
    assert checked.wait(10) == 0 and not checked.err, checked.err
    return checked.out[0]


def test_what_import_makes_of_a_table_is_a_template(tmp_path):
    table = tmp_path / "meter.csv"
    table.write_text("Name;Address;Type;Unit;Scale\nVoltage L1;1;float;V;\nPower;13;int32;W;0,1\n")
    assert "1 devices, 2 points" in _imported(tmp_path, "meter", "csv", table, "--table", "input", "--numbering", "one")
    refused = Process([BINARY, "import", "csv", table])
    assert refused.wait(10) == 78 and f"{table}:1:1: error: no column says which table" in refused.stderr_text
    absent = Process([BINARY, "import", "csv", tmp_path / "absent.csv"])
    assert absent.wait(10) == 78 and "No such file" in absent.stderr_text


def test_what_import_makes_of_sunspec_models_is_a_template(tmp_path):
    head = [{"name": "ID", "type": "uint16"}, {"name": "L", "type": "uint16"}]
    points = [{"name": "W", "type": "int16", "sf": "W_SF", "units": "W", "label": "Watts"}, {"name": "W_SF", "type": "sunssf"},
              {"name": "St", "type": "enum16", "symbols": [{"name": "OFF", "value": 1}, {"name": "MPPT", "value": 4}]}]
    for number, more in ((1, [{"name": "Mn", "type": "string", "size": 16}]), (103, points)):
        model = {"id": number, "group": {"name": "group", "label": f"Model {number}", "points": head + more}}
        (tmp_path / f"model_{number}.json").write_text(json.dumps(model, indent=4))
    printed = _imported(tmp_path, "inverter", "sunspec", tmp_path / "model_1.json", f"{tmp_path}/model_103.json@40069")
    assert "1 devices, 3 points" in printed
    made = (tmp_path / "templates/inverter.yaml").read_text()
    assert "  W: {register: holding, address: 40071, type: int16, scale_factor: 40072, invalid: 0x8000, unit: W}  # Watts\n" in made, made
