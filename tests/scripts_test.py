"""scripts/: what is asked of apt, and the summary that ends a test run."""

import os
import pathlib
import shutil
import stat
import subprocess
import sys

import pytest

_SCRIPTS = pathlib.Path(__file__).parents[1] / "scripts"


@pytest.fixture
def machine(tmp_path):
    """A machine with some packages and a user; commands that would change it are written to a log instead."""

    def run(words: str, installed: list, user: int = 0, lists: bool = True):
        log = tmp_path / "log"
        log.write_text("")
        programs = {
            "dpkg-query": f'case " {" ".join(installed)} " in *" ${{@: -1}} "*) printf installed ;; *) exit 1 ;; esac',
            "id": f"echo {user}",
            "apt-get": f'case "$*" in *--simulate*) {"exit 0" if lists else "exit 100"} ;; *) echo "apt-get $*" >> {log} ;; esac',
            "sudo": f'echo sudo >> {log}; "$@"',
            "systemctl": f'echo "systemctl $*" >> {log}',
            "tee": "cat >/dev/null",  # policy-rc.d
            "chmod": "true",
            "rm": "true",
        }
        for name, text in programs.items():
            program = tmp_path / name
            program.write_text(f"#!/bin/bash\n{text}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"source {_SCRIPTS}/lib/packages.sh; {words}"], text=True,
            capture_output=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert result.returncode == 0, result.stderr
        return result.stdout, log.read_text().splitlines()

    return run


def test_asks_for_exactly_what_is_missing(machine):
    out, log = machine("install_missing cmake libmodbus-dev socat", installed=["cmake"])
    assert "2 missing" in out and "libmodbus-dev socat" in out
    assert log == ["apt-get install -y --no-install-recommends libmodbus-dev socat"]


def test_asks_for_nothing_when_all_is_there(machine):
    assert machine("install_missing cmake socat", installed=["cmake", "socat"]) == ("", [])


def test_uses_sudo_only_when_not_root(machine):
    _, log = machine("install_missing socat", installed=[], user=1000)
    assert "sudo" in log
    assert log[-1 if log[-1] != "sudo" else -2] == "apt-get install -y --no-install-recommends socat"


def test_updates_the_lists_only_when_they_do_not_know_a_package(machine):
    _, log = machine("install_missing socat", installed=[], lists=False)
    assert log[0] == "apt-get update"


def test_service_of_a_test_package_stays_off(machine):
    _, log = machine("install_missing mosquitto", installed=[])
    assert log[-1] == "systemctl disable mosquitto.service"


def test_the_demo_needs_no_test_package(machine):
    out, _ = machine("build_packages", installed=[])
    assert "libmodbus-dev" in out and "mosquitto" not in out and "gtest" not in out and "python3" not in out


_RESULTS = """<testsuite>
<testcase name="good" status="run"/>
<testcase name="e2e.x.a+b" status="fail"><failure message=""/></testcase>
<testcase name="asked.to.be" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>
<testcase name="not.built" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite>"""


def _summary(tmp_path, text, preset="dev", again=None):
    results, results_again = tmp_path / "results.xml", tmp_path / "again.xml"
    if text is not None:
        results.write_text(text)
    if again is not None:
        results_again.write_text(again)
    return subprocess.run([sys.executable, _SCRIPTS / "lib/summary.py", preset, results, results_again], text=True,
                          capture_output=True)


def test_summary_counts_and_tells_how_to_repeat_a_failure(tmp_path):
    result = _summary(tmp_path, _RESULTS)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[-1] == "1 passed, 2 failed, 1 skipped"
    assert r"  again: ./scripts/test -R '^e2e\.x\.a\+b$'" in lines
    assert r"  again: ./scripts/test -R '^not\.built$'" in lines
    assert r"  again: ./scripts/test --preset asan -R '^not\.built$'" in _summary(tmp_path, _RESULTS, "asan").stdout.splitlines()


def test_summary_names_what_passed_only_when_it_was_run_again(tmp_path):
    first = '<testsuite><testcase name="a" status="fail"/><testcase name="b" status="fail"/></testsuite>'
    one_of_them = '<testsuite><testcase name="a" status="run"/><testcase name="b" status="fail"/></testsuite>'
    result = _summary(tmp_path, first, again=one_of_them)
    assert result.returncode == 1
    assert "UNSTEADY (passed when it was run again) a" in result.stdout and "FAILED b" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"
    both = one_of_them.replace("fail", "run")
    assert _summary(tmp_path, first, again=both).returncode == 0


def test_summary_of_success(tmp_path):
    result = _summary(tmp_path, '<testsuite><testcase name="good" status="run"/></testsuite>')
    assert (result.returncode, result.stdout) == (0, "1 passed, 0 failed, 0 skipped\n")


@pytest.mark.parametrize("text", [None, "", "<testsuite/>"], ids=["absent", "empty", "no_tests"])
def test_no_results_are_a_failure(tmp_path, text):
    assert _summary(tmp_path, text).returncode == 1


def _ci(tmp_path, *steps, minutes=0):
    """.ci/run, so many minutes old, in a tree whose scripts/test and scripts/fuzz print and exit as told, in the order they are called."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "scripts").mkdir()
    shutil.copy(_SCRIPTS.parent / ".ci/run", tmp_path / ".ci/run")
    for number, (text, code) in enumerate(steps):
        (tmp_path / f"step{number}").write_text(f"echo '{text}'; exit {code}")
    for name in ("test", "fuzz"):
        script = tmp_path / "scripts" / name
        script.write_text('#!/bin/bash\necho "$0 $*" >>calls; n=$(wc -l <calls); . ./step$((n - 1))\n')
        script.chmod(0o755)
    return subprocess.run([tmp_path / ".ci/run"], text=True, capture_output=True, env={**os.environ, "SECONDS": str(60 * minutes)})


def test_ci_runs_the_test_command_and_adds_up(tmp_path):
    result = _ci(tmp_path, ("3 passed, 0 failed, 1 skipped", 0), ("2 passed, 0 failed, 0 skipped", 0), ("7 passed, 0 failed, 0 skipped", 0))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "12 passed, 0 failed, 1 skipped"
    assert (tmp_path / "calls").read_text().splitlines()[0].strip() == "./scripts/test --retry"


def test_ci_fails_with_any_of_its_steps_and_runs_the_others(tmp_path):
    result = _ci(tmp_path, ("3 passed, 2 failed, 0 skipped", 1), ("a build that breaks", 1), ("7 passed, 0 failed, 0 skipped", 0))
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "10 passed, 3 failed, 0 skipped"


def test_the_debian_package_builds_with_what_the_scripts_install():
    """debian/control and scripts/lib/packages.sh name the same libraries."""
    listed = subprocess.run(["bash", "-c", f"source {_SCRIPTS}/lib/packages.sh; test_packages"], text=True, capture_output=True)
    installed = {word for word in listed.stdout.split() if word.startswith("lib") and word.endswith("-dev")}
    control = (_SCRIPTS.parent / "debian/control").read_text()
    needed = {word.strip(",") for word in control.split("Package:")[0].split() if word.startswith("lib")}
    assert needed == installed


def test_package_knows_the_architectures_that_it_is_for():
    result = subprocess.run([_SCRIPTS / "package", "sparc"], text=True, capture_output=True)
    assert result.returncode == 64 and "[amd64|arm64|armhf]" in result.stderr


def test_ci_leaves_out_what_would_take_too_long(tmp_path):
    result = _ci(tmp_path, ("3 passed, 0 failed, 0 skipped", 0), ("2 passed, 0 failed, 0 skipped", 0), minutes=19)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "5 passed, 0 failed, 1 skipped"
    assert [line.strip() for line in (tmp_path / "calls").read_text().splitlines()] == ["./scripts/test --retry", "./scripts/fuzz 33"]


def test_ci_fuzzes_each_target_for_a_minute_when_there_is_time(tmp_path):
    _ci(tmp_path, ("3 passed, 0 failed, 0 skipped", 0), ("2 passed, 0 failed, 0 skipped", 0), ("9 passed, 0 failed, 0 skipped", 0), minutes=5)
    assert (tmp_path / "calls").read_text().splitlines()[-1].strip() == "./scripts/fuzz 60"
