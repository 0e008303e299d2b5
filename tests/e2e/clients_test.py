"""The embedded broker as strangers' clients see it: every QoS, wildcards, retained, wills and sessions, in 3.1.1 and 5."""

import pytest

from rig.clients import CLIENTS, Mosquitto, Received, new_client_id


@pytest.fixture(params=[(client, version) for client in CLIENTS for version in (4, 5)],
                ids=lambda param: f"{param[0].name}_{ {4: '311', 5: '5'}[param[1]] }")
def client(request):
    kind, version = request.param
    return kind(version)


@pytest.fixture
def port(make_gateway):
    return make_gateway().start().port


# Another program as the opposite end, so that no client only understands itself.
_OTHER = Mosquitto(4)


def test_each_qos_arrives_as_published(client, port, closing):
    own = closing(client.subscribe(port, "a/b", qos=2))
    other = closing(_OTHER.subscribe(port, "a/b", qos=2))
    for qos in (0, 1, 2):
        client.publish(port, "a/b", f"own {qos}", qos=qos)
        for subscriber in (own, other):
            assert subscriber.next() == Received("a/b", f"own {qos}", qos, False)
    _OTHER.publish(port, "a/b", "other", qos=2)
    assert own.next() == Received("a/b", "other", 2, False)


def test_subscription_lowers_qos(client, port, closing):
    at_most = [closing(client.subscribe(port, "a", qos=qos)) for qos in (0, 1)]
    _OTHER.publish(port, "a", "x", qos=2)
    assert [subscriber.next().qos for subscriber in at_most] == [0, 1]


def test_wildcards_select_topics(client, port, closing):
    one_level = closing(client.subscribe(port, "plant/+/temperature", qos=1))
    whole_tree = closing(client.subscribe(port, "plant/line1/#", qos=1))
    for topic in ("plant/line1/temperature", "plant/line1", "plant/line2/temperature", "plant/line1/a/b", "other"):
        client.publish(port, topic, topic, qos=1)
    assert [one_level.next().topic for _ in range(2)] == ["plant/line1/temperature", "plant/line2/temperature"]
    assert [whole_tree.next().topic for _ in range(3)] == ["plant/line1/temperature", "plant/line1", "plant/line1/a/b"]
    one_level.nothing()
    whole_tree.nothing()


def test_retained_meets_a_later_subscriber_until_it_is_cleared(client, port, closing):
    client.publish(port, "state/a", "first", qos=1, retain=True)
    client.publish(port, "state/a", "second", qos=1, retain=True)
    subscriber = closing(client.subscribe(port, "state/#", qos=1))
    assert subscriber.next() == Received("state/a", "second", 1, True)
    client.publish(port, "state/a", "third", qos=1, retain=True)
    assert subscriber.next() == Received("state/a", "third", 1, False)  # not retained for who was there
    client.publish(port, "state/a", "", qos=1, retain=True)
    assert subscriber.next().payload == ""
    closing(client.subscribe(port, "state/#", qos=1)).nothing()


def test_will_is_published_when_a_client_dies_and_not_when_it_leaves(client, port, closing):
    watcher = closing(_OTHER.subscribe(port, "wills/#", qos=2))
    client.subscribe(port, "unused", will={"topic": "wills/left", "payload": "no", "qos": 1}).close()
    if client.leaves_with_will:  # as MQTT 5 lets it ask for
        assert watcher.next() == Received("wills/left", "no", 1, False)
    client.subscribe(port, "unused", will={"topic": "wills/died", "payload": "yes", "qos": 1}).die()
    assert watcher.next() == Received("wills/died", "yes", 1, False)
    watcher.nothing()


def test_session_keeps_what_came_while_the_client_was_away(client, port, closing):
    client_id = new_client_id()
    client.subscribe(port, "queue/#", qos=2, client_id=client_id, clean=False).close()
    for qos in (1, 2):
        _OTHER.publish(port, "queue/a", f"while away {qos}", qos=qos)
    back = closing(client.subscribe(port, "queue/#", qos=2, client_id=client_id, clean=False))
    assert [back.next() for _ in (1, 2)] == [Received("queue/a", f"while away {qos}", qos, False) for qos in (1, 2)]
    _OTHER.publish(port, "queue/a", "now", qos=1)
    assert back.next().payload == "now"


def test_clean_start_forgets_the_session(client, port, closing):
    client_id = new_client_id()
    client.subscribe(port, "queue/#", qos=1, client_id=client_id, clean=False).close()
    _OTHER.publish(port, "queue/a", "lost with the session", qos=1)
    closing(client.subscribe(port, "elsewhere", qos=1, client_id=client_id, clean=True)).nothing()
