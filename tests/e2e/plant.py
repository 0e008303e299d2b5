"""What the slaves hold, how the gateway is told to read it, and what has to arrive."""

import struct

# One row: point name, its configuration, the raw cells that the slave holds, the value that has to arrive.


def _registers(raw: bytes, order: str) -> list[int]:
    """The two registers that hold the four bytes `raw` (most significant first) in a byte order such as CDAB."""
    wire = bytes(raw["ABCD".index(letter)] for letter in order)
    return list(struct.unpack(">2H", wire))


def _float32(value: float) -> float:
    return struct.unpack(">f", struct.pack(">f", value))[0]


def _rows():
    address = 100  # of the next row; rows of one table lie close together, so that reads coalesce

    def row(name, settings, cells, expected, table="holding"):
        nonlocal address
        start = address
        address += len(cells)
        return name, {"register": table, "address": start, **settings}, \
            {(table, start + i): cell for i, cell in enumerate(cells)}, expected

    yield row("int16", {"type": "int16"}, [0xFB2E], -1234)
    yield row("int16_min", {"type": "int16"}, [0x8000], -32768)
    yield row("uint16", {"type": "uint16"}, [65535], 65535)
    yield row("int16_scaled", {"type": "int16", "scale": 0.1}, [234], 23.4)
    yield row("int16_offset", {"type": "int16", "scale": 0.5, "offset": -40}, [0xFFF6], -45)
    yield row("uint16_input", {"type": "uint16"}, [4711], 4711, table="input")
    for order in ("ABCD", "BADC", "CDAB", "DCBA"):
        name = order.lower()
        yield row(f"int32_{name}", {"type": "int32", "byte_order": order},
                  _registers(struct.pack(">i", -123456789), order), -123456789)
        yield row(f"uint32_{name}", {"type": "uint32", "byte_order": order},
                  _registers(struct.pack(">I", 4123456789), order), 4123456789)
        yield row(f"float32_{name}", {"type": "float32", "byte_order": order},
                  _registers(struct.pack(">f", -273.15), order), _float32(-273.15))
    yield row("int8_high", {"type": "int8", "byte": "high"}, [0xFE7F], -2)
    yield row("uint8_low", {"type": "uint8"}, [0xFE7F], 127)
    yield row("bit_field", {"type": "uint16", "bit": 4, "bit_count": 3}, [0x0050], 5)
    yield row("one_bit", {"bit": 15}, [0x8000], True)
    yield row("int64", {"type": "int64"}, [0xFFDF, 0xFFFF, 0xFFFF, 0xFFFF], -9007199254740993)
    yield row("uint64", {"type": "uint64", "byte_order": "CDAB"}, [0xFFFE, 0xFFFF, 0xFFFF, 0xFFFF], 18446744073709551614)
    yield row("float16", {"type": "float16"}, [0xC580], -5.5)
    yield row("float64", {"type": "float64"}, list(struct.unpack(">4H", struct.pack(">d", -123.456))), -123.456)
    yield row("bcd16", {"type": "bcd16", "scale": 0.1}, [0x1234], 123.4)
    yield row("bcd32", {"type": "bcd32"}, [0x1234, 0x5678], 12345678)
    yield row("string", {"type": "string", "length": 7}, [0x4655, 0x4E20, 0xC2B0, 0x4320], "FUN °C")
    yield row("scale_factor", {"type": "int16", "scale_factor": address + 1}, [2341, 0xFFFF], 234.1)
    yield row("counter", {"type": "uint32", "counter": True}, [0x0001, 0x0000], 65536)
    yield row("float32_input", {"type": "float32"}, _registers(struct.pack(">f", 1.5e-7), "ABCD"), _float32(1.5e-7), table="input")
    yield row("coil_on", {"type": "bool"}, [1], True, table="coil")
    yield row("coil_off", {"type": "bool"}, [0], False, table="coil")
    yield row("discrete_on", {"type": "bool"}, [1], True, table="discrete")


ROWS = list(_rows())
CELLS = {cell: value for _, _, cells, _ in ROWS for cell, value in cells.items()}
EXPECTED = {name: expected for name, _, _, expected in ROWS}
POINTS = {name: settings for name, settings, _, _ in ROWS}


def equal(point: str, value) -> bool:
    """Whether a JSON value is the expected one: floats as the float32 they were, everything else exactly, type included."""
    expected = EXPECTED[point]
    if point.startswith("float32"):
        return isinstance(value, (int, float)) and _float32(value) == expected
    return value == expected and isinstance(value, bool) == isinstance(expected, bool)


def device(bus: str, unit_id: int = 1, **more) -> dict:
    return {"bus": bus, "unit_id": unit_id, "interval": "200ms", "points": POINTS, **more}


def one_point(bus: str, unit_id: int = 1, **more) -> dict:
    """A device with the single point `uint16`."""
    return device(bus, unit_id, **more) | {"points": {"uint16": POINTS["uint16"]}}


def tcp_bus(port: int, **more) -> dict:
    return {"type": "modbus-tcp", "host": "127.0.0.1", "port": port, **more}


def rtu_bus(path, **more) -> dict:
    return {"type": "modbus-rtu", "port": str(path), "line": {"baud": 9600, "parity": "none"}, **more}


def rtu_tcp_bus(port: int, **more) -> dict:
    return {"type": "modbus-rtu-tcp", "host": "127.0.0.1", "port": port, **more}


def uplink(port: int, qos: int = 1, **more) -> dict:
    """An uplink that sends everything under sites/, and tries again soon."""
    return {"url": f"mqtt://127.0.0.1:{port}", "client_id": "plant1-uplink", "reconnect": "100ms..400ms",
            "out": [{"from": "plant1/#", "to": "sites/{topic}", "qos": qos}], **more}
