"""The unit as it is installed: systemd accepts it and finds it hardened, and what it starts exists."""

import os
import pathlib
import re
import subprocess

import pytest

_BUILD = pathlib.Path(os.environ.get("FERRULE_BUILD", str(pathlib.Path(__file__).parents[2] / "build/dev")))


@pytest.fixture
def installed(tmp_path):
    """The root of an installation."""
    root = tmp_path / "root"
    subprocess.run(["cmake", "--install", _BUILD, "--prefix", "/usr"], check=True, capture_output=True,
                   env={**os.environ, "DESTDIR": str(root)})
    return root


def _unit(root: pathlib.Path) -> pathlib.Path:
    return root / "usr/lib/systemd/system/ferrule.service"


def _analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], text=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})


def test_systemd_accepts_the_unit(installed, tmp_path):
    # `verify` looks for the program on this machine; point it to where this test installed it.
    unit = tmp_path / "ferrule.service"
    unit.write_text(_unit(installed).read_text().replace("/usr/bin/ferrule", str(installed / "usr/bin/ferrule")))
    result = _analyze("verify", "--man=no", unit)
    assert result.returncode == 0 and "ferrule.service" not in result.stderr, result.stderr


def test_systemd_finds_the_unit_hardened(installed):
    result = _analyze("security", "--offline=true", "--no-pager", _unit(installed))
    exposure = re.search(r"Overall exposure level for ferrule\.service: ([\d.]+)", result.stdout)
    assert exposure, result.stdout + result.stderr
    assert float(exposure[1]) <= 2.0, result.stdout


def test_unit_starts_the_installed_program_with_the_installed_configuration(installed):
    text = _unit(installed).read_text()
    assert re.search(r"^Type=notify$", text, re.MULTILINE) and re.search(r"^WatchdogSec=", text, re.MULTILINE)
    program, verb, file = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)[1].split()
    assert verb == "run"
    program, file = (installed / path.lstrip("/") for path in (program, file))
    assert subprocess.run([program, "check", file], capture_output=True).returncode == 0


def test_user_of_the_unit_is_created(installed):
    user = re.search(r"^User=(\S+)$", _unit(installed).read_text(), re.MULTILINE)[1]
    assert re.search(rf"^u {user} ", (installed / "usr/lib/sysusers.d/ferrule.conf").read_text(), re.MULTILINE)
