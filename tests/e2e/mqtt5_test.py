"""What MQTT 5 has for clients, used by clients nobody here wrote: mosquitto_rr, mqtt.js and paho-python."""

import json
import os
import pathlib
import queue

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from rig.clients import Mosquitto, new_client_id, paho_client
from rig.process import SLOWNESS, Process

_JAVASCRIPT = pathlib.Path(os.environ.get("FERRULE_JAVASCRIPT", str(pathlib.Path(__file__).parents[2] / "build/javascript")))


@pytest.fixture
def port(make_gateway):
    return make_gateway().start().port


@pytest.mark.parametrize("version", ["311", "5"])
def test_mosquitto_rr_gets_its_answer(port, closing, version):
    """Request and response, as a stranger's client does it: a response topic and, in MQTT 5, its property."""
    service = closing(Mosquitto({"311": 4, "5": 5}[version]).subscribe(port, "service", qos=1))
    request = Process(["mosquitto_rr", "-h", "127.0.0.1", "-p", port, "-V", version, "-t", "service", "-e", "answers/1", "-m", "ask",
                       "-q", "1", "-W", "20"])
    assert service.next().payload == "ask"
    Mosquitto(4).publish(port, "answers/1", "told", qos=1)
    assert request.wait(20) == 0, request.stderr_text
    assert request.out == ["told"]


def test_mqttjs_uses_aliases_identifiers_and_properties(port):
    client_id = new_client_id()
    process = Process(["node", pathlib.Path(__file__).parent / "js/features.js", port, client_id],
                      env={**os.environ, "NODE_PATH": str(_JAVASCRIPT / "node_modules")})
    assert process.wait(30) == 0, process.out + process.err
    events = [json.loads(line) for line in process.out]
    connack = next(event["connack"] for event in events if "connack" in event)
    assert connack["responseInformation"] == f"response/{client_id}"
    assert connack["topicAliasMaximum"] > 0
    received = [event for event in events if "payload" in event]
    assert [event["payload"] for event in received] == ["one", "two", "last"]
    assert all(event["topic"] == "feature/topic" and sorted(event["identifiers"]) == [3, 300] for event in received)
    assert received[0]["user"] == [["second", ["2", "two"]], ["first", "1"]]
    assert (received[0]["response"], received[0]["correlation"]) == ("answer/here", "number 7")
    wire = [(event["wire"], event["alias"]) for event in events if "wire" in event]
    assert wire == [("feature/topic", 1), ("", 1), ("", 1)]  # told once, then the alias alone


class _Paho5:
    """A paho client of MQTT 5 that keeps all it is told."""

    def __init__(self, port, connect_properties=None, client_id=None):
        self.client = paho_client(client_id or new_client_id(), paho.MQTTv5, True)
        self.connacks, self.messages, self.subacks = (queue.Queue() for _ in range(3))
        self.client.on_connect = lambda client, userdata, flags, reason, properties: self.connacks.put((reason, properties))
        self.client.on_message = lambda client, userdata, message: self.messages.put(message)
        self.client.on_subscribe = lambda client, userdata, mid, reasons, properties: self.subacks.put(reasons)
        properties = Properties(PacketTypes.CONNECT)
        for name, value in (connect_properties or {}).items():
            setattr(properties, name, value)
        self.client.connect("127.0.0.1", port, 60, clean_start=True, properties=properties)
        self.client.loop_start()
        self.connack = self.connacks.get(timeout=15 * SLOWNESS)

    def subscribe(self, *arguments, **options):
        self.client.subscribe(*arguments, **options)
        return self.subacks.get(timeout=15 * SLOWNESS)

    def next(self):
        return self.messages.get(timeout=15 * SLOWNESS)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def test_paho_is_told_user_properties_in_their_order(port, closing):
    sender, receiver = closing(_Paho5(port)), closing(_Paho5(port))
    receiver.subscribe("t", options=SubscribeOptions(1))
    properties = Properties(PacketTypes.PUBLISH)
    pairs = [("b", "1"), ("a", "2"), ("b", "1"), ("", "")]
    properties.UserProperty = pairs
    properties.ContentType = "text/plain"
    properties.PayloadFormatIndicator = 1
    properties.MessageExpiryInterval = 100
    sender.client.publish("t", "x", 1, properties=properties).wait_for_publish(15)
    message = receiver.next()
    assert message.properties.UserProperty == pairs
    assert message.properties.ContentType == "text/plain"
    assert message.properties.PayloadFormatIndicator == 1
    assert 98 <= message.properties.MessageExpiryInterval <= 100


def test_paho_chooses_how_it_subscribes(port, closing):
    publisher = closing(_Paho5(port))
    publisher.client.publish("kept", "x", 1, retain=True).wait_for_publish(15)
    client = closing(_Paho5(port))
    for handling, flag in ((SubscribeOptions.RETAIN_DO_NOT_SEND, None), (SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE, True)):
        client.subscribe("kept", options=SubscribeOptions(1, retainHandling=handling))
        if flag is not None:
            message = client.next()
            assert (message.payload, message.retain) == (b"x", True)
    client.subscribe("as/published", options=SubscribeOptions(1, retainAsPublished=True))
    publisher.client.publish("as/published", "y", 1, retain=True).wait_for_publish(15)
    assert client.next().retain
    client.subscribe("own", options=SubscribeOptions(1, noLocal=True))
    client.client.publish("own", "mine", 1).wait_for_publish(15)
    publisher.client.publish("own", "theirs", 1).wait_for_publish(15)
    assert client.next().payload == b"theirs"


def test_paho_shares_a_subscription(port, closing):
    members = [closing(_Paho5(port)) for _ in range(3)]
    for member in members:
        member.subscribe("$share/group/jobs/#", options=SubscribeOptions(1))
    publisher = closing(_Paho5(port))
    for number in range(30):
        publisher.client.publish(f"jobs/{number}", str(number), 1).wait_for_publish(15)
    got = [sorted(int(member.next().payload) for _ in range(10)) for member in members]
    assert sorted(sum(got, [])) == list(range(30))
    assert all(member.messages.empty() for member in members)


def test_paho_is_told_what_holds(port, closing):
    client = closing(_Paho5(port, {"TopicAliasMaximum": 10, "RequestResponseInformation": 1}))
    reason, properties = client.connack
    assert reason.value == 0
    assert properties.ReceiveMaximum == 1024
    assert properties.MaximumPacketSize == 1 << 20
    assert properties.TopicAliasMaximum == 32
    assert properties.ResponseInformation.startswith("response/")
    results = client.subscribe([("a", SubscribeOptions(2)), ("b", SubscribeOptions(0))])
    assert [reason.value for reason in results] == [2, 0]
