"""Alarms, from the register of an independent slave to strangers' clients and back."""

import json
import time

import plant
from rig.clients import Mosquitto, Paho
from rig.slaves import TcpSlave


def test_alarm_is_raised_and_acknowledged_and_later_subscribers_hear_of_both(make_gateway, closing):
    slave = closing(TcpSlave({1: plant.CELLS}))
    alarms = {"high": {"above": 60000, "priority": "high", "text": "too much"}}
    device = plant.device("field") | {"points": {"uint16": plant.POINTS["uint16"] | {"alarms": alarms}}}
    gateway = make_gateway(buses={"field": plant.tcp_bus(slave.port)}, devices={"plc": device}).start()
    alarm = closing(Mosquitto(5).subscribe(gateway.port, "plant1/plc/uint16/alarm/#", qos=1))
    raised = json.loads(alarm.next().payload)
    assert (raised["state"], raised["acknowledged"], raised["v"]) == ("active", False, 65535)
    assert (raised["priority"], raised["text"]) == ("high", "too much")
    assert abs(time.time() * 1000 - raised["ts"]) < 60000

    Mosquitto(4).publish(gateway.port, "plant1/plc/uint16/alarm/high/ack", "seen", qos=1)
    seen = [alarm.next() for _ in range(2)]  # what was published there, and the alarm's answer to it
    answer = json.loads(next(one.payload for one in seen if one.topic.endswith("/high")))
    assert answer == raised | {"acknowledged": True, "by": answer["by"]} and answer["by"]
    later = closing(Paho(5).subscribe(gateway.port, "plant1/plc/uint16/alarm/high", qos=1)).next()
    assert later.retain and json.loads(later.payload) == answer
