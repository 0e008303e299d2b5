"""The ledger of Sparkplug's statements: each that binds an edge node stands on a line that decides it, as [tck-id-...], and in a test."""

import pathlib
import re

_SOURCE = pathlib.Path(__file__).parents[1]
_ID = re.compile(r"tck-id-[\w-]+")
_DECIDED = re.compile(r"\[(tck-id-[\w-]+)\]")


def _ids():
    lines = (_SOURCE / "tests/bridge/spec/sparkplug_edge.tsv").read_text().splitlines()
    return {line.split("\t")[1] for line in lines if not line.startswith("#")}


def _named(pattern, folders, endings):
    named = {}
    for folder in folders:
        for file in sorted((_SOURCE / folder).rglob("*")):
            if file.name.endswith(endings):
                for one in pattern.findall(file.read_text()):
                    named.setdefault(one, []).append(str(file.relative_to(_SOURCE)))
    return named


def _unaccounted(ids, decided, tested):
    """What is wrong, a line each. Statements for brokers (tck-id-conformance-...) are accounted for elsewhere."""
    wrong = [f"{one}: no line decides it" for one in sorted(ids - decided.keys())]
    wrong += [f"{one}: no test names it" for one in sorted(ids - tested.keys())]
    for named in (decided, tested):
        wrong += [f"{one}: there is none, says {files[0]}" for one, files in sorted(named.items())
                  if one not in ids and not one.startswith("tck-id-conformance-")]
    return wrong


def test_every_statement_about_edge_nodes_is_decided_and_tested():
    ids = _ids()
    assert len(ids) == 164
    decided = _named(_DECIDED, ["bridge", "gateway", "mapping", "mqtt"], (".cpp", ".hpp"))
    tested = _named(_ID, ["tests"], ("_test.cpp", "_test.py"))
    assert not (wrong := _unaccounted(ids, decided, {one: files for one, files in tested.items() if not one.endswith("-")})), \
        "\n".join(wrong)


def test_a_statement_without_a_line_or_a_test_is_noticed():
    files = ["x"]
    assert _unaccounted({"a", "b", "c"}, {"a": files, "b": files, "tck-id-conformance-x": files},
                        {"a": files, "c": files, "d": files}) == [
        "c: no line decides it", "b: no test names it", "d: there is none, says x"]
