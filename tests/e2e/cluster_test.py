"""What scripts/cluster-test concludes from what happened; its run takes a RabbitMQ cluster and minutes, and is no part of the tests."""

import cluster
from ledger import Collector
from rig.balancer import Balancer, busiest
from rig.clients import Paho
from rig.cloud import Cloud


def test_report_fails_for_each_thing_it_looks_for():
    good = {"gateways": 20, "nodes": 3, "rate": 10, "acknowledged": 1, "kills": 1, "crowds": [("killed", 7, 3, 7)], "recoveries": [30, 20],
            "longest_queue": 400, "longest_in_cluster": 8000, "memory": 16000}
    assert not cluster.Report(**good).failures()
    for bad in ({"lost": {"g01": [7]}}, {"disordered": {"g01": "2 after 3"}}, {"acknowledged": 0}, {"kills": 0},
                {"crowds": [("back", 20, 19, 20)]}, {"crowds": [("back", 90, 3, 41)]}, {"left_in_queues": 1},
                {"left_in_cluster": {"q": 1}}, {"longest_queue": 401}, {"longest_in_cluster": 8001}, {"memory": 70_000}):
        assert len(cluster.Report(**{**good, **bad}).failures()) == 1, bad


def test_repetitions_are_no_disorder():
    assert not cluster.disorder({"a": [1, 2, 3, 2, 3, 4], "b": [2]})
    assert cluster.disorder({"a": [1, 2, 4, 3]}) == "3 after 4 on a"


def test_busiest_counts_the_most_within_a_window():
    assert busiest([], 1) == 0
    assert busiest([5.0, 1.0, 1.1, 1.25, 3.0], 0.2) == 2
    assert busiest([1.0, 1.1, 1.15, 1.3], 0.2) == 3


def test_short_form_is_shorter():
    short, usual = cluster.options(["--short"]), cluster.options([])
    assert (usual.gateways, usual.nodes) == (20, 3) and short.gateways < usual.gateways and short.down < usual.down
    assert cluster.options(["--short", "--gateways", "2"]).gateways == 2


def test_balancer_leaves_out_the_dead(closing, tmp_path):
    clouds = [closing(Cloud(tmp_path / name)) for name in "ab"]
    balancer = closing(Balancer([one.port for one in clouds]))
    collectors = [closing(Collector(one.port)) for one in clouds]
    for i in range(4):
        Paho(4).publish(balancer.port, "sites/plant1/ledger/0", str(i), qos=1)
    cluster.wait_until(lambda: [one.count for one in collectors] == [2, 2], 10, "each in turn")
    clouds[0].close()
    for i in range(4):
        Paho(4).publish(balancer.port, "sites/plant1/ledger/0", str(i), qos=1)
    cluster.wait_until(lambda: collectors[1].count == 6, 10, "all at the other")
    assert len(balancer.attempts_since(0)) == 8


def test_member_publishes_through_its_gateway(closing, cloud, tmp_path):
    balancer = closing(Balancer([cloud.port]))
    received = closing(Paho(4).subscribe(cloud.port, "fleet/#", qos=1))
    member = closing(cluster.Member(tmp_path, "g07", balancer.port, rate=50))
    member.start()
    assert received.next().topic.startswith("fleet/g07/plant1/ledger/")
    member.publisher.finish()
    cluster.wait_until(lambda: member.queued() == 0, 20, "the queue is drained")
    assert member.sample("ferrule_uplink_up") == 1 and member.memory() > 1000
