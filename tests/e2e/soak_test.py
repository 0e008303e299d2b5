"""Three minutes of the soak, and that it fails for each thing it looks for."""

import json

import pytest

from soak import Soak
from soak_ledger import Ledger
from soak_report import Report, Sample


def test_soak_finds_nothing_lost_and_nothing_wrong(tmp_path):
    report = Soak(tmp_path).run(180)
    print(report.text())
    assert not report.failures(), report.text()
    assert report.cuts >= 5 and report.reloads >= 10 and report.stalls >= 4 and report.writes > 50, report.text()
    assert report.ledger.values > 5000 and report.ledger.silences, report.text()


_NOW = 1_763_692_345.0  # seconds since 1970


def _good(reading: int, device: int = 7, age: float = 0, taken: float | None = None) -> bytes:
    taken = _NOW + reading if taken is None else taken
    number = device << 48 | reading << 32 | int(taken * 1000) & 0xFFFFFFFF
    return json.dumps({"ts": int((taken + age) * 1000), "v": number, "q": "good"}).encode()


def _after(*payloads) -> Ledger:
    ledger = Ledger()
    for payload in payloads:
        ledger.local(7, payload, _NOW)
    return ledger


@pytest.mark.parametrize("payloads, trouble", [
    ([_good(1), _good(2, device=8)], "it is d8's"), ([_good(1), _good(1)], "reading 1 after 1"),
    ([_good(2), _good(1)], "reading 1 after 2"), ([_good(1), _good(2, age=3)], "taken 3000 ms before"),
    ([_good(1), json.dumps({"ts": 1, "v": 5, "q": "bad"}).encode()], "not the last good one")],
    ids=["of another device", "twice", "an older one", "an old one", "made up while bad"])
def test_ledger_finds_a_wrong_value(payloads, trouble):
    ledger = _after(*payloads)
    assert len(ledger.wrong) == 1 and trouble in ledger.wrong[0], ledger.wrong


def test_ledger_misses_what_a_device_offered_unless_somebody_said_so():
    bad = json.dumps({"ts": 1, "v": json.loads(_good(1))["v"], "q": "bad", "err": "timeout"}).encode()
    assert (ledger := _after(_good(65535), _good(0, taken=_NOW + 65536))).lost == 0 and not ledger.wrong  # the counter's next round
    assert (ledger := _after(_good(1), _good(4))).lost == 2 and len(ledger.owed()) == 2
    assert (ledger := _after(_good(1), bad, _good(4))).lost == 0 and ledger.left_out == 2 and not ledger.wrong
    ledger = Ledger()
    ledger.local(7, _good(1, taken=1e9), _NOW)
    with ledger.renewing(range(5, 8)):
        pass
    ledger.local(7, _good(3, taken=2e10), _NOW)
    ledger.local(7, _good(5, taken=2e10), _NOW)
    assert ledger.at_renewals == 1 and ledger.lost == 1


def test_ledger_knows_what_the_cloud_has_got():
    ledger = _after(_good(1), _good(2))
    for payload in (_good(1), _good(1), _good(3)):
        ledger.cloud(7, payload)
    assert len(ledger.owed()) == 1 and ledger.repeated == 1
    ledger.local(7, _good(3), _NOW)
    assert len(ledger.owed()) == 1 and not ledger.wrong
    ledger.cloud(6, _good(4))
    assert len(ledger.wrong) == 1


def _report(seconds: int = 3600, slope: float = 0, descriptors: float = 0, threads: float = 0, **more) -> Report:
    """Each grows by so much a second."""
    report = Report(_after(_good(1)), writes=1, **more)
    report.samples = [Sample(at, int(12_000 + slope * at), int(70 + descriptors * at), int(8 + threads * at)) for at in range(seconds)]
    return report


def test_soak_fails_for_each_thing_it_looks_for():
    assert not _report().failures() and not _report(180).failures() and not _report(0).failures()
    assert len((report := _report(slope=1)).failures()) == 1 and round(report.slope()) == 60
    assert len(_report(180, slope=100).failures()) == 1
    assert len(_report(descriptors=0.01).failures()) == 1 and len(_report(threads=0.01).failures()) == 1
    assert len(_report(lost_on_the_way=2, bad_writes=["y"], bad_reloads=["z"]).failures()) == 3
    broken = _report()
    broken.ledger.wrong.append("x")
    broken.ledger.lost = 1
    assert len(broken.failures()) == 2
    assert Report(Ledger()).failures() == ["nothing flowed"]
