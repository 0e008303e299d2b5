"""The soak in a short form: what it reports is what happened."""

from soak import Report, Soak


def test_soak_finds_nothing_lost_and_nothing_wrong(tmp_path):
    report = Soak(tmp_path, devices=20, clients=5).run(20)
    assert not report.failures(), report.text()
    assert report.cuts >= 1 and report.reloads >= 2 and report.values > 100 and report.writes > 5, report.text()


def test_soak_fails_for_each_thing_it_looks_for():
    good = Report(seconds=3600, values=1, writes=1, memory=[(second, 12_000) for second in range(3600)])
    assert not good.failures()
    good.memory = [(second, 12_000 + second) for second in range(3600)]  # 60 KiB a minute
    assert len(good.failures()) == 1 and round(good.slope()) == 60
    assert len(Report(values=1, writes=1, wrong=["x"], lost=2, bad_writes=["y"]).failures()) == 3
    assert Report().failures() == ["nothing flowed"]
