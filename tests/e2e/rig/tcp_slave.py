"""A Modbus TCP server by pymodbus as a program: reads `UNIT TABLE ADDRESS VALUE` lines, then serves them on a port.

Usage: tcp_slave.py PORT   (3.0 of Debian 12 and 3.8 of Debian 13)
"""

import asyncio
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import StartAsyncTcpServer

_NAMES = {"coil": "co", "discrete": "di", "input": "ir", "holding": "hr"}


def read_units(lines) -> dict:
    units = {}
    for line in lines:
        unit, table, address, value = line.split()
        # Data blocks count from 1, requests from 0.
        units.setdefault(int(unit), {}).setdefault(_NAMES[table], {})[int(address) + 1] = int(value)
    empty = {0: 0}
    return {unit: ModbusSlaveContext(**{name: ModbusSparseDataBlock(tables.get(name, empty)) for name in _NAMES.values()})
            for unit, tables in units.items()}


if __name__ == "__main__":
    context = ModbusServerContext(slaves=read_units(sys.stdin), single=False)
    asyncio.run(StartAsyncTcpServer(context=context, address=("127.0.0.1", int(sys.argv[1]))))
