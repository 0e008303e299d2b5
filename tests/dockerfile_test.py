"""Dockerfile: what can be seen of it without a container engine. scripts/package does what its last stage does."""

import fnmatch
import pathlib
import re
import subprocess
import sys

_SOURCE = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(_SOURCE / "scripts/lib"))

import dockerfile  # noqa: E402

_BUILD, _IMAGE = dockerfile.stages((_SOURCE / "Dockerfile").read_text())
_IGNORED = (_SOURCE / ".dockerignore").read_text().split()


def _tracked() -> list:
    return subprocess.run(["git", "-C", _SOURCE, "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines()


def _sent(file: str) -> bool:
    parts = pathlib.PurePath(file).parts
    return not any(parts[0] == pattern or pattern.startswith("**/") and any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
                   for pattern in _IGNORED)


def test_all_of_the_sources_and_nothing_built_is_sent():
    assert dockerfile.only(_BUILD, "COPY") == ". ."
    assert all(_sent(file) for file in _tracked())
    assert not any(map(_sent, ("build/dev/gateway/ferrule", ".git/HEAD", "tests/e2e/js/node_modules/x/y.js")))


def test_image_gets_the_package_where_the_build_leaves_it():
    directory = pathlib.PurePath(dockerfile.only(_BUILD, "WORKDIR"))
    copied = [re.fullmatch(r"--from=(\w+) (\S+) (\S+)", rest).groups() for name, rest in _IMAGE if name == "COPY"]
    assert copied == [("build", str(directory.parent / "ferrule_*.deb"), "/tmp/")]
    assert dockerfile.only(_BUILD, "FROM").endswith(" AS build")
    assert "/tmp/ferrule_*.deb" in dockerfile.only(_IMAGE, "RUN")
    # What it builds with is what debian/control says, which is held against scripts/lib/packages.sh.
    run = dockerfile.only(_BUILD, "RUN")
    assert "apt-get build-dep" in run and "dpkg-buildpackage" in run


def test_both_stages_are_the_same_debian():
    assert dockerfile.only(_BUILD, "FROM").split()[0] == dockerfile.only(_IMAGE, "FROM")


def test_image_runs_as_the_user_of_the_package():
    user = dockerfile.only(_IMAGE, "USER")
    assert user != "root"
    assert re.search(rf"^u {user} ", (_SOURCE / "systemd/sysusers.conf").read_text(), re.MULTILINE)
    assert [name for name, _ in _IMAGE].index("USER") > [name for name, _ in _IMAGE].index("RUN")


def test_image_starts_and_asks_the_installed_program():
    assert dockerfile.start_command(_IMAGE) == ["ferrule", "run", "/etc/ferrule/ferrule.yaml"]
    program, verb = dockerfile.health_command(_IMAGE).split()[:2]
    assert program == "ferrule"
    assert f'add_subcommand("{verb}"' in (_SOURCE / "gateway/command_line.cpp").read_text()
    socket = re.search(r"FERRULE_CONTROL=(\S+)", dockerfile.only(_IMAGE, "ENV"))[1]
    assert str(pathlib.PurePath(socket).parent) in dockerfile.only(_IMAGE, "RUN").split("install -d ")[1]
