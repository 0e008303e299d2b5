"""The tree against the picture of docs/ARCHITECTURE.md: who includes whom, and where the heavy headers stay."""

import pathlib
import re

import pytest

_SOURCE = pathlib.Path(__file__).parents[1]
_PERMITTED = {
    "config": set(),
    "drivers": {"config"},
    "mqtt": {"config"},
    "mapping": {"config", "drivers", "mqtt"},
    "bridge": {"config", "mqtt"},
    "gateway": {"config", "drivers", "mqtt", "mapping", "bridge"},
}
# <mqtt/...> is Paho MQTT C++, "mqtt/..." is ours.
_HEAVY = re.compile(r"<(boost/|openssl/|sqlite3\.h|SQLiteCpp/|yaml-cpp/|mqtt/|MQTT|modbus|libserialport|google/protobuf|\w+\.pb\.h|CLI/|nlohmann/(?!json_fwd\.hpp)|muParser|pcre2)")
_INCLUDE = re.compile(r'^\s*#\s*include\s+([<"][^>"]+[>"])', re.MULTILINE)


def _files(folder: str, *endings: str):
    return [file for ending in endings for file in sorted((_SOURCE / folder).rglob("*" + ending))]


def _includes(file: pathlib.Path):
    return _INCLUDE.findall(file.read_text())


@pytest.mark.parametrize("folder", _PERMITTED)
def test_includes_only_what_the_picture_permits(folder):
    files = _files(folder, ".cpp", ".hpp")
    assert files
    wrong = []
    for file in files:
        for include in _includes(file):
            if not include.startswith('"'):
                continue
            target = include.strip('"')
            if not (_SOURCE / target).is_file():
                wrong.append(f"{file}: {include} is not relative to the repository")
            elif target.split("/")[0] not in _PERMITTED[folder] | {folder}:
                wrong.append(f"{file}: {include} is not permitted in {folder}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", _PERMITTED)
def test_heavy_headers_stay_out_of_headers(folder):
    wrong = [f"{file}: {include}" for file in _files(folder, ".hpp") for include in _includes(file) if _HEAVY.match(include)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", _PERMITTED)
def test_headers_begin_with_what_they_are_and_pragma_once(folder):
    wrong = []
    for file in _files(folder, ".hpp"):
        lines = file.read_text().splitlines()
        code = [line for line in lines if line and not line.startswith("//")]
        if not lines[0].startswith("// ") or code[0] != "#pragma once":
            wrong.append(str(file))
    assert not wrong, "\n".join(wrong)


def test_there_is_no_common_folder():
    assert not (_SOURCE / "common").exists()


def test_no_two_decisions_have_one_number():
    files = [file for file in _files("docs/decisions", ".md") if file.name != "README.md"]
    assert len({file.name[:4] for file in files}) == len(files)
    for file in files:
        assert file.read_text().startswith(f"# {int(file.name[:4])}. "), file.name


def test_what_the_bench_script_runs_may_be_run():
    assert not [file for file in _files("bench", ".py") if file.read_text().startswith("#!") and not file.stat().st_mode & 0o100]
