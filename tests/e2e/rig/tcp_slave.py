"""A Modbus server by pymodbus as a program: reads `UNIT TABLE ADDRESS VALUE` lines, then serves them.

Usage: tcp_slave.py PORT | udp PORT | tls PORT CA CERT KEY | ascii DEVICE   (3.0 of Debian 12 and 3.8 of Debian 13)
"""

import asyncio
import ssl
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer, StartAsyncTlsServer, StartAsyncUdpServer

try:
    from pymodbus import FramerType
    _ASCII, _SOCKET = FramerType.ASCII, FramerType.SOCKET
except ImportError:
    from pymodbus.framer.ascii_framer import ModbusAsciiFramer as _ASCII
    from pymodbus.framer.socket_framer import ModbusSocketFramer as _SOCKET

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


def _tls(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """Certificates on both sides, as Modbus/TCP Security wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def serve(context, kind: str, *arguments):
    if kind == "udp":
        await StartAsyncUdpServer(context=context, address=("127.0.0.1", int(arguments[0])))
    elif kind == "tls":  # pymodbus's own framing for TLS leaves out the header that Modbus/TCP Security has
        await StartAsyncTlsServer(context=context, address=("127.0.0.1", int(arguments[0])), framer=_SOCKET,
                                  sslctx=_tls(*arguments[1:]))
    elif kind == "ascii":
        await StartAsyncSerialServer(context=context, framer=_ASCII, port=arguments[0], baudrate=9600)
    else:
        await StartAsyncTcpServer(context=context, address=("127.0.0.1", int(kind)))


if __name__ == "__main__":
    context = ModbusServerContext(slaves=read_units(sys.stdin), single=False)
    asyncio.run(serve(context, *sys.argv[1:]))
