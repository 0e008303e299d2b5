"""A Modbus server by pymodbus whose registers say who answers, which of its readings this is, and when it was taken.

Holding registers 0 to 3 of a unit are one number: the device (16 bits), the reading (16 bits, counts from 1) and the time (32 bits: of the
milliseconds since 1970). Register 4 keeps what is written. Each STALL-th reading comes too late: it is taken at once and answered after 3 s,
and all that was asked meanwhile waits; each such span is printed, in seconds since 1970.

Usage: ticking_slave.py PORT STALL UNIT=DEVICE...
"""

import asyncio
import itertools
import sys
import time

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import StartAsyncTcpServer

_STALL = 3  # seconds: three times the soak's timeout
_FIRST = 1  # data blocks count from 1, requests from 0


class _Ticking(ModbusSparseDataBlock):
    def __init__(self, device: int, readings, stall: int):
        super().__init__({_FIRST + register: 0 for register in range(5)})
        self._device, self._readings, self._stall, self._reading = device, readings, stall, 0

    def getValues(self, address, count=1):  # noqa: N802 (pymodbus's name)
        if address == _FIRST:  # else what was written is read back
            self._take()
        return super().getValues(address, count)

    def _take(self):
        began = time.time()
        self._reading = (self._reading + 1) % 65536
        at = int(began * 1000)
        self.setValues(_FIRST, [self._device, self._reading, at >> 16 & 0xFFFF, at & 0xFFFF])
        if next(self._readings) % self._stall == 0:
            time.sleep(_STALL)
            print(began, time.time(), flush=True)


if __name__ == "__main__":
    port, stall = int(sys.argv[1]), int(sys.argv[2])
    readings = itertools.count(1)  # of all units
    units = {int(unit): ModbusSlaveContext(hr=_Ticking(int(device), readings, stall))
             for unit, device in (word.split("=") for word in sys.argv[3:])}
    asyncio.run(StartAsyncTcpServer(context=ModbusServerContext(slaves=units, single=False), address=("127.0.0.1", port)))
