"""pymodbus's server that injects faults, as a program: reads `UNIT TABLE ADDRESS VALUE` lines, then serves them.

Usage: faulty_slave.py PORT WEB_PORT; what is POSTed to the web port says how it answers from then on.
"""

import asyncio
import sys

from pymodbus.datastore import ModbusServerContext
from pymodbus.server.async_io import ModbusTcpServer
from pymodbus.server.reactive.main import ReactiveServer
from pymodbus.transaction import ModbusSocketFramer

from tcp_slave import read_units


async def serve(port: int, web_port: int):
    context = ModbusServerContext(slaves=read_units(sys.stdin), single=False)
    server = ModbusTcpServer(context, framer=ModbusSocketFramer, address=("127.0.0.1", port), allow_reuse_address=True)
    await ReactiveServer("127.0.0.1", web_port, server).run_async()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
