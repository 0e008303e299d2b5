"""Each fault, by its number, has a test that stands under the comment `FAULTS NUMBER`."""

import pathlib
import re

import pytest

_TESTS = pathlib.Path(__file__).parent
_MARK = re.compile(r"(?://|#) FAULTS ([\d, ]+)(?:[^\n]*)\n(?:\s*(?://|///|#)[^\n]*\n)*(?:class \w+[^;]*?};\n\n)?\s*(?:TEST|@pytest|def test_|RC_GTEST)", re.DOTALL)

_FAULTS = {
    1: "kill -9 while publishing",
    2: "kill -9 while a backlog drains",
    3: "kill -9 between every two steps",
    4: "a power cut",
    5: "torn and dropped sectors",
    6: "the log deleted",
    7: "bits that flip in database and log",
    8: "a database truncated, zeroed, of another schema",
    9: "a full disk",
    10: "EIO on write and on fsync",
    11: "EIO on read",
    12: "a slow disk",
    13: "a disk that goes read-only",
    14: "an uplink cut for long",
    15: "a half-open connection",
    16: "a link that flaps",
    17: "a lossy and a slow link",
    18: "a cloud that accepts and never acknowledges",
    19: "a session lost at the cloud",
    20: "refusals by reason code",
    21: "a hostile cloud",
    22: "certificates that are wrong or run out",
    23: "a clock that jumps",
    24: "a memory limit with a long backlog",
    25: "SIGTERM, upgrade, reload under load",
    26: "two processes on one queue",
    27: "descriptors, half-open clients",
    28: "an RTU answer later than the timeout",
    29: "a TCP answer late, with a wrong transaction id, or from a gateway that never echoes it",
    30: "a unit dies on a bus of ten",
    31: "exceptions by meaning",
    32: "noise, leading 00, own echo, glued and split frames, the largest frame",
    33: "a register refused inside a block",
    34: "a device that drops, that takes one client, that is cut off",
    35: "a USB adapter that comes back under another name",
    36: "NaN, infinities, sentinels, rollover, 64 bits, -0.0",
    37: "a command on a dead bus",
}


def _marked() -> dict[int, int]:
    counts = dict.fromkeys(_FAULTS, 0)
    for file in [*_TESTS.rglob("*_test.cpp"), *_TESTS.rglob("*_test.py")]:
        for mark in _MARK.finditer(file.read_text()):
            for number in re.findall(r"\d+", mark[1]):
                if int(number) in counts:
                    counts[int(number)] += 1
    return counts


@pytest.mark.parametrize("fault", _FAULTS)
def test_fault_has_a_test(fault):
    assert _marked()[fault] > 0, f"no test for fault {fault}: {_FAULTS[fault]}"


def _names() -> list[str]:
    """Of the tests, as ctest knows them."""
    names = []
    for file in _TESTS.glob("*/*_test.cpp"):
        names += [f"{file.parent.name}.{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", file.read_text(), re.M)]
    for folder, prefix in (("e2e", "e2e"), ("faults", "e2e.faults")):
        for file in (_TESTS / folder).glob("*_test.py"):
            module = file.stem.removesuffix("_test")
            names += [f"{prefix}.{module}.{name}" for name in re.findall(r"^def test_(\w+)", file.read_text(), re.M)]
    return names


_SHOWN_BY = re.findall(r"`((?:bridge|e2e|mqtt)\.[^`]+)`", (_TESTS.parent / "docs/durability.md").read_text())


def test_what_security_is_shown_by_exists():
    page = (_TESTS.parent / "docs/security.md").read_text()
    measures = page.partition("## Measures")[2].partition("## Known gaps")[0]
    rows = [row for row in re.findall(r"^\|(.+)\|$", measures, re.M)[2:]]
    assert len(rows) > 15
    for row in rows:
        assert "`" in row.split("|")[-1], f"nothing shows: {row}"
    named = set(re.findall(r"`([\w/]+_test\.(?:py|cpp)|\w+/)`", page)) - {"tests/"}
    assert len(named) > 15
    for name in named:
        assert (_TESTS / "e2e" / name if name.endswith(".py") else _TESTS / name).exists(), f"docs/security.md names {name}, which is not there"


@pytest.mark.parametrize("pattern", sorted(set(_SHOWN_BY)))
def test_what_durability_is_shown_by_exists(pattern):
    regex = re.compile(pattern.replace("\\|", "|"))  # a table's column cannot hold a bare one
    assert any(regex.search(name) for name in _names()), f"`scripts/test -R {pattern}` runs nothing"
