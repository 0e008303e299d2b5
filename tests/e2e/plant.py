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


def uplink(port: int, qos: int = 1, **more) -> dict:
    """An uplink that sends everything under sites/, and tries again soon."""
    return {"url": f"mqtt://127.0.0.1:{port}", "client_id": "plant1-uplink", "reconnect": "100ms..400ms",
            "out": [{"from": "plant1/#", "to": "sites/{topic}", "qos": qos}], **more}
