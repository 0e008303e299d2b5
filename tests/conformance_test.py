"""The ledger of the specifications' statements: each is decided somewhere and tested, and docs/conformance.md says where."""

import importlib.machinery
import importlib.util
import pathlib

import pytest

_SOURCE = pathlib.Path(__file__).parents[1]


@pytest.fixture
def conformance():
    loader = importlib.machinery.SourceFileLoader("conformance", str(_SOURCE / "scripts/conformance"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("conformance", loader))
    loader.exec_module(module)
    return module


def test_every_statement_is_accounted_for_and_the_page_is_fresh(conformance, capsys):
    code = conformance.main(["--check"])
    assert code == 0, capsys.readouterr().out


def test_a_statement_without_a_test_or_a_place_is_noticed(conformance):
    statements = {one: conformance.Statement(one, excuse, [], "says") for one, excuse in
                  (("MQTT-1.0.0-1", ""), ("MQTT-1.0.0-2", ""), ("MQTT-1.0.0-3", "client: it waits"), ("MQTT-1.0.0-4", "perhaps"),
                   ("MQTT-1.0.0-5", "n/a: not yet"))}
    code = [conformance.Mention("MQTT-1.0.0-1", "f", "mqtt/f.cpp", 1), conformance.Mention("MQTT-9.9.9-9", "f", "mqtt/f.cpp", 2),
            conformance.Mention("MQTT-1.0.0-5", "g", "mqtt/f.cpp", 4)]
    tests = [conformance.Mention("MQTT-1.0.0-2", "Suite.Test", "tests/x_test.cpp", 3)]
    assert conformance.account(statements, code, tests) == [
        "mqtt/f.cpp:2: MQTT-9.9.9-9 does not exist",
        "MQTT-1.0.0-1: no test names it: says",
        "MQTT-1.0.0-2: no line of mqtt/ names it: says",
        "MQTT-1.0.0-4: who is bound is neither `client: ...` nor `n/a: ...`",
        "MQTT-1.0.0-5: does not apply (not yet), yet `g` (mqtt/f.cpp) names it"]


def test_ids_are_found_in_comments_strings_and_names(conformance):
    assert list(conformance.ids_in('refuse("MQTT-3.1.2-22 (3.1.1)");  // [MQTT-1.5.5-1]')) == ["MQTT-3.1.2-22 (3.1.1)", "MQTT-1.5.5-1"]
    assert list(conformance.ids_in("TEST(A, Says_MQTT_3_1_2_4_MQTT311_3_1_2_6) {")) == ["MQTT-3.1.2-4", "MQTT-3.1.2-6 (3.1.1)"]
