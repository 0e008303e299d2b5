"""What the pages say: every configuration is checked, every command is run, or listed with the reason why a test cannot."""

import configparser
import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

import pytest

from rig.documents import PAGES, SOURCE, blocks, spans
from rig.gateway import BINARY, accepts
from rig.ports import free_port
from rig.process import Process, wait_until
from rig.slaves import TcpSlave

_BLOCKS = [block for page in PAGES for block in blocks(page)]
_TOKEN = "a-token-of-more-than-twenty-characters"


def test_every_block_says_what_it_is():
    for block in _BLOCKS:
        assert block.language in ("", "sh", "console", "yaml", "json", "ini"), f"{block}: is of no language that a test looks at"
        if block.language == "":
            assert not re.search(r"^\$ ", block.text, re.M), f"{block}: has commands, and is no ```console"
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "ini":
            configparser.ConfigParser(strict=False).read_string(block.text)


def test_every_page_is_linked_and_every_link_leads_somewhere():
    """Of links within the project."""
    def anchors(page):
        titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    linked, wrong = set(), []
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
            file = (page.parent / target).resolve() if target else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                wrong.append(f"{page.relative_to(SOURCE)}: {target}#{anchor}")
            if page.name == "README.md":
                linked.add(file)
    assert not wrong, wrong
    assert not (missing := {page.name for page in PAGES if page not in linked} - {"README.md"}), f"README.md does not link {missing}"


# Configurations

@functools.cache
def _sections() -> set[str]:
    return set(json.loads(subprocess.run([BINARY, "schema"], capture_output=True, text=True, check=True).stdout)["properties"])


# What a part of a configuration may take for granted.
_AROUND = """version: 2
gateway: {id: plant1, state_dir: /tmp}
buses:
  plc: {type: modbus-tcp, host: 10.0.0.5}
  line1: {type: modbus-rtu, port: /dev/ttyUSB0}
devices:
  boiler: {bus: plc, points: {supply: {register: holding, address: 100}}}
  valve: {bus: line1, unit_id: 200, points: {open: {register: coil, address: 0}}}
"""


# Warnings that a page means to call for.
_MEANT = ("anybody who reaches systemd's mqtt may read and write everything",)


def _prepare(directory: pathlib.Path, text: str, certificates: pathlib.Path):
    """Makes the files that the configuration names."""
    directory.mkdir(exist_ok=True)
    for name in re.findall(r"(?:!file|password_file:) ([^\s,}]+)", text):
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        if name.startswith("secrets/"):
            file.write_text("MDEyMzQ1Njc4OWFiY2RlZmdoaWo=\n")
            continue
        user = next(user for user in ("hmi", "anna") if f"{user}: " in text)
        subprocess.run([BINARY, "passwd", file, user], input="a password\n", text=True, check=True, capture_output=True)
    for kind, name in re.findall(r"\b(ca|cert|key|crl): ([^\s,}!]+\.(?:crt|pem|key|crl))", text):
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        shutil.copy(certificates / {"ca": "ca.crt", "cert": "server.crt", "key": "server.key", "crl": "ca.crl"}[kind], file)


def _check(block, directory, certificates) -> str:
    """What is wrong with it; empty when nothing is."""
    sections = set(re.findall(r"^(\w+):", block.text, re.M))
    _prepare(directory, block.text, certificates)
    if "scrape_configs" in sections:
        (directory / "prometheus.yml").write_text(block.text)
        shutil.copy(SOURCE / "ops/prometheus-alerts.yaml", directory)
        command = ["promtool", "check", "config", directory / "prometheus.yml"]
        return "" if shutil.which("promtool") is None else _said(command, directory)
    if "tests" in sections:
        (directory / "plant.yaml").write_text(_AROUND.replace("address: 100", 'address: 100, type: int16, scale: 0.1, unit: "°C"'))
        (directory / "tests.yaml").write_text(block.text)
        return _said([BINARY, "test", directory / "tests.yaml"], directory)
    if unknown := sections - _sections():
        return f"{unknown} are no sections of a configuration: show it with what is around it"
    whole = "version" in sections
    parts = directory / "conf.d"
    parts.mkdir()
    _prepare(parts, block.text, certificates)
    if not whole:
        (parts / "10-around.yaml").write_text(_AROUND)
    (parts / "20-block.yaml").write_text(block.text)
    said = _said([BINARY, "check", parts / "20-block.yaml" if whole else parts], directory)
    return "" if any(meant in said for meant in _MEANT) and "error:" not in said else said


def _said(command, directory) -> str:
    done = subprocess.run(command, cwd=directory, env={**os.environ, "PLANT": "plant1"}, capture_output=True, text=True)
    return done.stderr + (done.stdout if done.returncode != 0 else "")


def test_every_configuration_passes_check(tmp_path, certificates):
    configurations = [block for block in _BLOCKS if block.language == "yaml"]
    assert len(configurations) > 30
    wrong = {}
    for i, block in enumerate(configurations):
        if said := _check(block, tmp_path / str(i), certificates):
            wrong[str(block)] = said
    assert not wrong, "\n".join(f"{place}:\n{said}" for place, said in wrong.items())


# Commands: what they may look like

@functools.cache
def _help(*words: str) -> str:
    """Of a verb; empty when there is none."""
    done = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def _below(text: str) -> list[str]:
    return re.findall(r"^  ([a-z]+) ", text.partition("\nSubcommands:")[2], re.M)


def _misspelt(command: str) -> str:
    """What `ferrule` or a script of ours does not know in it; empty: nothing."""
    words = shlex.split(re.split(r"\s(?:[|>&]|<(?!\w))", command)[0])
    while words and (words[0] == "sudo" or re.match(r"[A-Z_]+=", words[0])):
        words = words[3:] if words[1:2] == ["-u"] else words[1:]
    if not words:
        return ""
    program = words.pop(0)
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    if re.match(r"(\./)?scripts/", program):
        script = SOURCE / program
        text = script.read_text() if script.is_file() and os.access(script, os.X_OK) else ""
        return "" if text and all(option in text for option in options) else f"{program} {options or ''} is no script of ours"
    if program != "ferrule":
        return ""
    text, verbs = _help(), []
    while words and _below(text) and not words[0].startswith("-"):
        verb = words.pop(0)
        if re.fullmatch(r"[A-Z|.]+", verb):
            return ""  # any of them
        if verb not in _below(text):
            return f"{' '.join(['ferrule', *verbs])} has no verb {verb}"
        verbs.append(verb)
        text = _help(*verbs)
    for option in options | {word for word in words if re.fullmatch("-[a-z]", word)}:
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text):
            return f"{' '.join(['ferrule', *verbs])} has no option {option}"
    return ""


def test_commands_in_the_text_have_verbs_and_options_that_are_there():
    commands = [(place, span) for page in PAGES for place, span in spans(page) if re.match(r"(sudo |\$ )*(ferrule |(\./)?scripts/\w)", span)]
    assert len(commands) > 100
    wrong = [f"{place}: `{span}`: {why}" for place, span in commands if (why := _misspelt(span))]
    assert not wrong, "\n".join(wrong)


def test_page_of_the_command_line_is_what_help_says(tmp_path):
    """`scripts/cli` after a verb or an option has changed."""
    page = tmp_path / "cli.md"
    subprocess.run([SOURCE / "scripts/cli", BINARY, page], check=True)
    assert page.read_text() == (SOURCE / "docs/cli.md").read_text(), "docs/cli.md is old: run scripts/cli"


def test_every_verb_has_a_manual_page(tmp_path):
    """And every verb below a verb; docs/cli.md, which is fresh, says which there are."""
    subprocess.run([SOURCE / "scripts/man", tmp_path, "1.2.3", BINARY], check=True)
    chapters = re.findall(r"^## (ferrule.*)$", (SOURCE / "docs/cli.md").read_text(), re.M)
    assert sorted(page.stem for page in tmp_path.iterdir()) == sorted(chapter.replace(" ", "-") for chapter in chapters)
    assert "ferrule users add" in chapters
    names = subprocess.run(["lexgrog", *tmp_path.iterdir()], capture_output=True, text=True, check=True).stdout
    assert 'users-add.1: "ferrule-users-add - Add a user"' in names
    # As lintian looks at them.
    shown = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", tmp_path / "ferrule-users-add.1"], capture_output=True, text=True,
                           check=True, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": "", "PAGER": "cat"})
    assert shown.stderr == ""
    for words in ("Password file", "ferrule users add", "ferrule-users(1)"):
        assert words in re.sub(".\b", "", shown.stdout), shown.stdout  # bold is typed twice


# Commands: run

def _has_preset(command: str) -> bool:
    presets = json.loads((SOURCE / "CMakePresets.json").read_text())
    wanted = set(re.findall(r"--preset (\w+)", command))
    return all(wanted <= {one["name"] for one in presets[kind]} for kind in ("configurePresets", "buildPresets"))


# All that is ever run here. Whatever else a page says has to be listed below: this may be somebody's own machine.
_HARMLESS = {"ferrule", "curl", "cp", "mosquitto_pub", "mosquitto_sub", "systemctl"}
# What no test can run: a pattern, why, and what there is to be seen all the same.
_NOT_RUN = [
    (r"\./scripts/(demo|test|package|soak|faults)\b.*", "takes minutes, and installs packages; has tests of its own", lambda command: not _misspelt(command)),
    (r"(sudo )?apt(-get)? .*", "needs root and a network", None),
    (r"sudoedit \S+", "is an editor", None),
    (r"sudo systemd-sysusers && .*|sudo systemctl daemon-reload && .*", "needs root and systemd; systemd_test.py looks at the unit", None),
    (r"sudo raspi-config .*|echo dtoverlay=\S+ \| sudo tee -a /boot/firmware/config.txt|sudo reboot", "is for a Raspberry Pi", None),
    (r"journalctl -u ferrule.*", "needs systemd", None),
    (r"docker .*", "needs a container engine", lambda _: (SOURCE / "Dockerfile").is_file()),
    (r"(sudo )?cmake .*", "builds and installs everything", _has_preset),
]
# Whose output is not as it is shown: it depends on time and place, or is shown to a terminal only.
_NOT_COMPARED = ("ferrule passwd", "ferrule uplink test", "ferrule events", "ferrule status", "ferrule simulate", "ferrule ports", "ferrule scan", "mosquitto_")
# Those that say by it what they found.
_EXIT_CODES = {"ferrule status": (0, 1), "ferrule doctor": (0, 1)}

_PLANT = """version: 2
gateway:
  id: plant1
  http: {listen: "127.0.0.1:HTTP", tokens: {scada: {token: !file /DIRECTORY/scada-token, role: operate}}}
buses:
  plc: {type: modbus-tcp, host: 127.0.0.1, port: SLAVE}
devices:
  boiler:
    bus: plc
    points:
      flow: {register: holding, address: 100, type: float32, unit: l/s}
      setpoint:
        {register: holding, address: 104, type: int16, scale: 0.1, unit: "°C", write: {min: 5, max: 90, readback: 1s},
         alarms: {hot: {above: 60}}}
uplinks:
  hq: {url: "mqtt://127.0.0.1:CLOUD", out: [{from: "plant1/#"}]}
"""
_CELLS = {("holding", 100 + i): cell for i, cell in enumerate([0x4366, 0x8000, 0x0040, 0x1640, 200])}


def _shape(line: str) -> str:
    """Numbers and bytes do not matter."""
    return re.sub(r"#(?: #)+", "#", re.sub(r"\b[0-9a-f.:]*\d[0-9a-f.:]*\b|\b[0-9a-f]{2}\b", "#", line))


class Machine:
    """One with Ferrule's package on it, as far as an ordinary directory is one: `/etc/ferrule` is `etc` in it, `sudo` does nothing, and
    `systemctl restart ferrule` starts the gateway, whose ports are ones that are free."""

    def __init__(self, directory: pathlib.Path, slave: TcpSlave, cloud):
        self.home, self.etc = directory / "home", directory / "etc"
        for made in (self.home, self.etc, directory / "bin"):
            made.mkdir(parents=True)
        (directory / "bin/ferrule").symlink_to(BINARY)
        self._short = tempfile.TemporaryDirectory(prefix="ferrule-")
        self.control = pathlib.Path(self._short.name, "control.sock")
        self.broker, self.http, self.spare = free_port(), free_port(), free_port()
        for client in ("mosquitto_sub", "mosquitto_pub", "mosquitto_rr"):
            (self.home / client).write_text(f"-p {self.broker}\n")
        self.env = {**os.environ, "PATH": f"{directory}/bin:{os.environ['PATH']}", "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home),
                    "FERRULE_CONTROL": str(self.control), "STATE_DIRECTORY": str(directory / "state")}
        plant = _PLANT.replace("HTTP", str(self.http)).replace("SLAVE", str(slave.port)).replace("CLOUD", str(cloud.port))
        plant = plant.replace("/DIRECTORY", str(self.home))
        for file in (self.home / "plant.yaml", self.etc / "ferrule.yaml"):
            file.write_text(plant)
        (self.home / "scada-token").write_text(_TOKEN + "\n")
        shutil.copytree(SOURCE / "config/examples/tests", self.home / "tests")
        self.gateway, self.running = None, []
        self.restart(self.etc / "ferrule.yaml")

    def restart(self, file: pathlib.Path):
        """A gateway of this file, but for its state and its listener."""
        if self.gateway:
            self.gateway.signal(15)
            assert self.gateway.wait(20) == 0, self.gateway.stderr_text
        directory = pathlib.Path(tempfile.mkdtemp(dir=self._short.name))
        shutil.copy(file, directory / "10-file.yaml")
        (directory / "20-here.yaml").write_text(f"gateway: {{control: {self.control}, state_dir: {directory}/state}}\n"
                                                f"broker: {{listen: [{{port: {self.broker}}}]}}\n")
        self.gateway = Process([BINARY, "run", directory])
        wait_until(lambda: (accepts(self.broker) and self.control.exists()) or not self.gateway.running, 20, "the gateway runs")
        assert self.gateway.running, self.gateway.stderr_text

    def _here(self, command: str) -> str:
        for there, here in ((r"\bsudo (-u \w+ )?", ""), (r"/etc/ferrule/", f"{self.etc}/"), (r"https?://[\w.]+:8(443|080)\b", f"http://127.0.0.1:{self.http}"),
                            (r"\b1502\b", str(self.spare)), (r"\./config/examples/", f"{SOURCE}/config/examples/")):
            command = re.sub(there, here, command)
        return command

    def run(self, command: str, shown: list[str]) -> str:
        """What is wrong with it; empty: nothing."""
        if why := _misspelt(command):
            return why
        here = self._here(command)
        if foreign := {shlex.split(part)[0] for part in re.split(r"[&|;]+", here) if part.strip()} - _HARMLESS:
            return f"{foreign}: is nothing that is run here, and stands in no list of what is not"
        if restarted := re.fullmatch(r"ferrule run (\S+)", here):
            return self.restart(self.home / restarted[1]) or ""
        if re.fullmatch(r"systemctl (re(start|load)|enable --now) ferrule", here):
            return self.restart(self.etc / "ferrule.yaml") or ""
        if new := re.match(r"ferrule init (\S+)", here):
            (self.home / new[1]).unlink(missing_ok=True)
        if here.startswith("systemctl"):
            return "is not what systemctl is asked here"
        endless = re.match(r"ferrule (simulate|trace|tap|top)\b|mosquitto_sub\b", here) and not re.search(r"--(count|pcap)|-C ", here)
        process = Process(["bash", "-c", ("exec " if endless else "") + here.removesuffix("&")], env=self.env, cwd=self.home,
                          stdin="a password\n" if here.startswith("ferrule passwd ") else None)
        if endless:
            wait_until(lambda: process.out or not process.running, 20, f"{command} says something")
            self.running.append(process)
            code, ended = 0, not process.running
            if not here.startswith("ferrule simulate"):
                process.kill()
        else:
            code, ended = process.wait(30), False
        program = " ".join(re.findall(r"[a-z_]+", here)[:2])
        if ended or code not in _EXIT_CODES.get(program, (0,)):
            return f"exits with {code}:\n" + "\n".join(process.out + process.err)
        if not shown or command.startswith(_NOT_COMPARED):
            return ""
        return self._differs(shown[:1] if endless else shown, process.out)

    @staticmethod
    def _differs(shown: list[str], said: list[str]) -> str:
        if shown[0].startswith("[{"):
            shown, said = ([str(sorted(json.loads("".join(lines))[0]))] for lines in (shown, said))
        for i, line in enumerate(shown):
            if line.strip() == "...":
                return ""
            if i >= len(said) or _shape(line) != _shape(said[i]):
                return f"says {said[i:i + 1]} in place of {line!r}"
        return ""

    def close(self):
        for process in [*self.running, self.gateway]:
            process.kill()
        self._short.cleanup()


def _is_not_run(command: str):
    for pattern, why, looks_right in _NOT_RUN:
        if re.fullmatch(pattern, command):
            assert looks_right is None or looks_right(command), f"{command}: {why}, and does not look right"
            return pattern
    return None


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_runs(tmp_path, closing, cloud):
    slave = closing(TcpSlave({1: _CELLS}))
    wrong, not_run, ran = {}, set(), 0
    for page in PAGES:
        if not any(block.language in ("sh", "console") for block in blocks(page)):
            continue
        machine = Machine(tmp_path / page.stem, slave, cloud)
        closing(machine)
        for block in blocks(page):
            if block.language == "yaml" and "version:" in block.text:
                (machine.home / "plant.yaml").write_text(block.text)
            for command, shown in block.commands() if block.language in ("sh", "console") else ():
                if pattern := _is_not_run(command):
                    not_run.add(pattern)
                    continue
                ran += 1
                if said := machine.run(command, shown):
                    wrong[f"{block}: {command}"] = said
    assert not wrong, "\n".join(f"{place}: {said}" for place, said in wrong.items())
    assert ran > 20
    assert not_run == {pattern for pattern, _, _ in _NOT_RUN}, "what is listed and not there any more"
