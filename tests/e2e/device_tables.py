"""What devices of the shipped templates hold, written from the vendors' tables rather than from the templates.

A device has the register table, the number that its vendor gives to the address 0, and rows of point, number, type and value. The number is
decimal or hexadecimal as in the vendor's table. A value is what has to be published; `/10` behind it: the register holds ten times as much;
`sf -1 @ 40084`: it holds the value with that scale factor, which is in register 40084; `-> word`: the code is published as that word.
"""

import re
import struct

_FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "float": ">f", "double": ">d"}
_ROW = re.compile(r"(?P<point>\S+)\s+(?P<number>\w+)\s+(?P<type>\S+)\s+(?P<value>\S+)(?:\s+/(?P<divisor>\d+))?"
                  r"(?:\s+sf (?P<factor>-?\d+) @ (?P<place>\d+))?(?:\s+-> (?P<word>.+))?$")


class Device:
    def __init__(self, table: str, first: int, rows: str, low_word_first: bool = False):
        self.table, self.first, self.low_word_first = table, first, low_word_first
        self.cells, self.expected = {}, {}  # (table, address) -> register; point -> what is published
        for line in filter(str.strip, rows.splitlines()):
            row = _ROW.match(line.strip())
            assert row, line
            self._add(row)

    def _add(self, row):
        value = row["value"]
        if not row["type"].startswith("str"):
            value = float(value) if "." in value else int(value)
        raw = value
        if row["factor"]:
            raw = round(value / 10 ** int(row["factor"]))
            self._put(int(row["place"]), struct.pack(">h", int(row["factor"])))
        elif row["divisor"]:
            raw = round(value * int(row["divisor"]))
        self._put(int(row["number"], 0), self._encode(row["type"], raw))
        self.expected[row["point"]] = row["word"] or value

    def _encode(self, kind: str, raw) -> bytes:
        if kind.startswith("str"):
            return raw.encode().ljust(int(kind[3:]), b"\0")
        data = struct.pack(_FORMATS[kind], raw)
        words = [data[i:i + 2] for i in range(0, len(data), 2)]
        return b"".join(reversed(words) if self.low_word_first else words)

    def _put(self, number: int, data: bytes):
        for i in range(0, len(data), 2):
            place = (self.table, number - self.first + i // 2)
            value = int.from_bytes(data[i:i + 2], "big")
            assert self.cells.setdefault(place, value) == value, f"{number}: two values in one register"


_EASTRON_COMMON = """
    energy_import 30073 float 1234.5
    energy_export 30075 float 67.25
    frequency     30071 float 50.0
    energy_total  30343 float 1301.75
"""
_EASTRON_ONE_PHASE = _EASTRON_COMMON + """
    voltage        30001 float 230.5
    current        30007 float 1.5
    power          30013 float -345.75
    apparent_power 30019 float 350.25
    reactive_power 30025 float 12.5
    power_factor   30031 float -0.5
    reactive_energy_import 30077 float 5.5
    reactive_energy_export 30079 float 6.5
"""
_GAVAZZI_COMMON = """
    voltage_l1  300001 s32 230.1 /10
    voltage_l2  300003 s32 231.2 /10
    voltage_l3  300005 s32 232.3 /10
    voltage_l12 300007 s32 399.1 /10
    voltage_l23 300009 s32 400.2 /10
    voltage_l31 300011 s32 401.3 /10
    current_l1  300013 s32 1.234 /1000
    current_l2  300015 s32 -2.345 /1000
    current_l3  300017 s32 100.001 /1000
    power_l1    300019 s32 -283.9 /10
    power_l2    300021 s32 542.2 /10
    power_l3    300023 s32 23230.2 /10
    apparent_power_l1 300025 s32 284.0 /10
    apparent_power_l2 300027 s32 543.0 /10
    apparent_power_l3 300029 s32 23231.0 /10
    reactive_power_l1 300031 s32 1.1 /10
    reactive_power_l2 300033 s32 -1.2 /10
    reactive_power_l3 300035 s32 1.3 /10
    power       300041 s32 23488.5 /10
    apparent_power 300043 s32 24058.0 /10
    reactive_power 300045 s32 -700.7 /10
"""
_SUNSPEC_COMMON = """
    manufacturer 40004 str32 Solar&Co
    model        40020 str32 Three-10k
    version      40044 str16 1.2.3
    serial       40052 str32 SN-0001
"""
_ABB_ONE_PHASE = """
    power          23316 s32 -1234.56 /100
    reactive_power 23324 s32 78.9 /100
    apparent_power 23332 s32 1240.01 /100
    frequency      23340 u16 49.98 /100
    power_factor   23354 s16 -0.995 /1000
    energy_import  20480 u64 123456789.01 /100
    energy_export  20484 u64 4.56 /100
"""

DEVICES = {
    "eastron-sdm120": Device("input", 30001, _EASTRON_ONE_PHASE + """
        reactive_energy_total 30345 float 12.0
    """),
    "eastron-sdm230": Device("input", 30001, _EASTRON_ONE_PHASE + """
        phase_angle 30037 float -60.0
    """),
    "eastron-sdm630": Device("input", 30001, _EASTRON_COMMON + """
        voltage_l1 30001 float 230.25
        voltage_l2 30003 float 231.25
        voltage_l3 30005 float 232.25
        current_l1 30007 float 1.5
        current_l2 30009 float 2.5
        current_l3 30011 float 3.5
        power_l1   30013 float 100.5
        power_l2   30015 float -200.5
        power_l3   30017 float 300.5
        apparent_power_l1 30019 float 101.0
        apparent_power_l2 30021 float 201.0
        apparent_power_l3 30023 float 301.0
        reactive_power_l1 30025 float 10.5
        reactive_power_l2 30027 float 20.5
        reactive_power_l3 30029 float -30.5
        power_factor_l1   30031 float 0.5
        power_factor_l2   30033 float -0.25
        power_factor_l3   30035 float 0.75
        power             30053 float 200.5
        apparent_power    30057 float 603.0
        reactive_power    30061 float 0.5
        power_factor      30063 float 0.875
        voltage_l12       30201 float 399.5
        voltage_l23       30203 float 400.5
        voltage_l31       30205 float 401.5
        current_n         30225 float 0.25
        energy_import_l1  30347 float 400.5
        energy_import_l2  30349 float 401.5
        energy_import_l3  30351 float 402.5
        energy_export_l1  30353 float 20.5
        energy_export_l2  30355 float 21.5
        energy_export_l3  30357 float 22.5
    """),
    "janitza-umg": Device("holding", 0, """
        voltage_l1  19000 float 230.5
        voltage_l2  19002 float 231.5
        voltage_l3  19004 float 232.5
        voltage_l12 19006 float 399.5
        voltage_l23 19008 float 400.5
        voltage_l31 19010 float 401.5
        current_l1  19012 float 11.5
        current_l2  19014 float 12.5
        current_l3  19016 float 13.5
        power_l1    19020 float 2650.5
        power_l2    19022 float -2893.5
        power_l3    19024 float 3138.5
        power       19026 float 2895.5
        apparent_power_l1 19028 float 2651.0
        apparent_power_l2 19030 float 2894.0
        apparent_power_l3 19032 float 3139.0
        apparent_power    19034 float 8684.0
        reactive_power_l1 19036 float 1.5
        reactive_power_l2 19038 float -2.5
        reactive_power_l3 19040 float 3.5
        reactive_power    19042 float 2.5
        power_factor_l1   19044 float 0.5
        power_factor_l2   19046 float -0.75
        power_factor_l3   19048 float 1.0
        frequency         19050 float 50.125
        energy_total      19060 float 900000.0
        energy_import     19068 float 1000000.0
        energy_export     19076 float 100000.0
        voltage_thd_l1    19110 float 1.5
        voltage_thd_l2    19112 float 1.625
        voltage_thd_l3    19114 float 1.75
        current_thd_l1    19116 float 11.5
        current_thd_l2    19118 float 11.625
        current_thd_l3    19120 float 11.75
    """),
    "schneider-pm5xxx": Device("holding", 1, """
        current_l1  3000 float 101.5
        current_l2  3002 float 102.5
        current_l3  3004 float 103.5
        current_avg 3010 float 102.5
        voltage_l12 3020 float 399.5
        voltage_l23 3022 float 400.5
        voltage_l31 3024 float 401.5
        voltage_ll_avg 3026 float 400.5
        voltage_l1  3028 float 230.5
        voltage_l2  3030 float 231.5
        voltage_l3  3032 float 232.5
        voltage_ln_avg 3036 float 231.5
        power_l1    3054 float 23.5
        power_l2    3056 float -23.25
        power_l3    3058 float 24.5
        power       3060 float 24.75
        reactive_power 3068 float -1.5
        apparent_power 3076 float 71.5
        frequency   3110 float 49.875
        energy_import 3204 s64 9007199254740993
        energy_export 3208 s64 12
    """),
    "schneider-iem3000": Device("holding", 1, """
        current_l1  3000 float 11.5
        current_l2  3002 float 12.5
        current_l3  3004 float 13.5
        current_avg 3010 float 12.5
        voltage_l12 3020 float 399.5
        voltage_l23 3022 float 400.5
        voltage_l31 3024 float 401.5
        voltage_l1  3028 float 230.5
        voltage_l2  3030 float 231.5
        voltage_l3  3032 float 232.5
        voltage_ln_avg 3036 float 231.5
        power_l1    3054 float 2.5
        power_l2    3056 float -2.25
        power_l3    3058 float 2.75
        power       3060 float 3.0
        frequency   3110 float 49.875
        energy_import 0xB02C float 12345.5
        energy_export 0xB02E float 54.5
    """),
    "carlogavazzi-em24": Device("input", 300001, _GAVAZZI_COMMON + """
        power_factor_l1 300051 s16 0.998 /1000
        power_factor_l2 300052 s16 -0.997 /1000
        power_factor_l3 300053 s16 0.996 /1000
        power_factor    300054 s16 0.99 /1000
        frequency       300056 u16 50.1 /10
        energy_import   300063 s32 123456.7 /10
        energy_import_l1 300071 s32 41152.2 /10
        energy_import_l2 300073 s32 41152.3 /10
        energy_import_l3 300075 s32 41152.4 /10
        energy_export   300093 s32 76.5 /10
    """, low_word_first=True),
    "carlogavazzi-em340": Device("input", 300001, _GAVAZZI_COMMON + """
        power_factor_l1 300047 s16 0.998 /1000
        power_factor_l2 300048 s16 -0.997 /1000
        power_factor_l3 300049 s16 0.996 /1000
        power_factor    300050 s16 0.99 /1000
        frequency       300052 u16 50.1 /10
        energy_import   300053 s32 123456.7 /10
        energy_import_l1 300065 s32 41152.2 /10
        energy_import_l2 300067 s32 41152.3 /10
        energy_import_l3 300069 s32 41152.4 /10
        energy_export   300079 s32 76.5 /10
    """, low_word_first=True),
    "siemens-pac2200": Device("holding", 0, """
        voltage_l1 1 float 230.5
        voltage_l2 3 float 231.5
        voltage_l3 5 float 232.5
        current_l1 13 float 1.5
        current_l2 15 float 2.5
        current_l3 17 float 3.5
        power_l1   25 float 345.5
        power_l2   27 float -578.5
        power_l3   29 float 813.5
        power_factor_l1 37 float 0.5
        power_factor_l2 39 float 0.75
        power_factor_l3 41 float 1.0
        apparent_power  63 float 1739.5
        power           65 float 580.5
        reactive_power  67 float -11.5
        power_factor    69 float 0.875
        energy_import  801 double 123456789.5
        energy_export  809 double 987.5
    """),
    "siemens-pac3200": Device("holding", 0, """
        voltage_l1 1 float 230.5
        voltage_l2 3 float 231.5
        voltage_l3 5 float 232.5
        voltage_l12 7 float 399.5
        voltage_l23 9 float 400.5
        voltage_l31 11 float 401.5
        current_l1 13 float 1.5
        current_l2 15 float 2.5
        current_l3 17 float 3.5
        apparent_power_l1 19 float 346.0
        apparent_power_l2 21 float 579.0
        apparent_power_l3 23 float 814.0
        power_l1   25 float 345.5
        power_l2   27 float -578.5
        power_l3   29 float 813.5
        reactive_power_l1 31 float 3.5
        reactive_power_l2 33 float -5.5
        reactive_power_l3 35 float 8.5
        power_factor_l1 37 float 0.5
        power_factor_l2 39 float 0.75
        power_factor_l3 41 float 1.0
        frequency       55 float 50.0625
        apparent_power  63 float 1739.5
        power           65 float 580.5
        reactive_power  67 float -11.5
        power_factor    69 float 0.875
        energy_import_t1 801 double 123456789.5
        energy_import_t2 805 double 1234.5
        energy_export_t1 809 double 987.5
        energy_export_t2 813 double 98.5
    """),
    "abb-b21": Device("holding", 0, _ABB_ONE_PHASE + """
        voltage 23296 u32 230.4 /10
        current 23308 u32 5.36 /100
    """),
    "abb-b23": Device("holding", 0, _ABB_ONE_PHASE + """
        voltage_l1  23296 u32 230.4 /10
        voltage_l2  23298 u32 231.4 /10
        voltage_l3  23300 u32 232.4 /10
        voltage_l12 23302 u32 399.4 /10
        voltage_l23 23304 u32 400.4 /10
        voltage_l31 23306 u32 401.4 /10
        current_l1  23308 u32 1.78 /100
        current_l2  23310 u32 1.79 /100
        current_l3  23312 u32 1.8 /100
        power_l1    23318 s32 -411.5 /100
        power_l2    23320 s32 -411.52 /100
        power_l3    23322 s32 -411.54 /100
        power_factor_l1 23355 s16 -0.994 /1000
        power_factor_l2 23356 s16 0.993 /1000
        power_factor_l3 23357 s16 -0.992 /1000
        energy_import_l1 21600 u64 11.01 /100
        energy_import_l2 21604 u64 12.02 /100
        energy_import_l3 21608 u64 13.03 /100
        energy_export_l1 21612 u64 14.04 /100
        energy_export_l2 21616 u64 15.05 /100
        energy_export_l3 21620 u64 16.06 /100
    """),
    "wago-879": Device("holding", 0, """
        voltage    20480 float 231.5
        voltage_l1 20482 float 230.5
        voltage_l2 20484 float 231.5
        voltage_l3 20486 float 232.5
        frequency  20488 float 50.0
        current    20490 float 7.5
        current_l1 20492 float 1.5
        current_l2 20494 float 2.5
        current_l3 20496 float 3.5
        power      20498 float 1.25
        power_l1   20500 float 0.25
        power_l2   20502 float 0.375
        power_l3   20504 float 0.625
        reactive_power    20506 float -0.125
        reactive_power_l1 20508 float 0.125
        reactive_power_l2 20510 float -0.5
        reactive_power_l3 20512 float 0.25
        apparent_power    20514 float 1.5
        apparent_power_l1 20516 float 0.5
        apparent_power_l2 20518 float 0.4375
        apparent_power_l3 20520 float 0.5625
        power_factor    20522 float 0.875
        power_factor_l1 20524 float 0.5
        power_factor_l2 20526 float 0.75
        power_factor_l3 20528 float 1.0
        energy_import    24588 float 300.5
        energy_import_l1 24594 float 100.25
        energy_import_l2 24596 float 100.125
        energy_import_l3 24598 float 100.5
        energy_export    24600 float 30.5
        energy_export_l1 24606 float 10.25
        energy_export_l2 24608 float 10.125
        energy_export_l3 24610 float 10.5
    """),
    "victron-gx": Device("holding", 0, """
        pv_on_output_l1 808 u16 101
        pv_on_output_l2 809 u16 102
        pv_on_output_l3 810 u16 103
        pv_on_grid_l1   811 u16 201
        pv_on_grid_l2   812 u16 202
        pv_on_grid_l3   813 u16 203
        grid_power_l1   820 s16 -1500
        grid_power_l2   821 s16 250
        grid_power_l3   822 s16 -1
        battery_voltage 840 u16 52.8 /10
        battery_current 841 s16 -12.3 /10
        battery_power   842 s16 -649
        battery_soc     843 u16 87
        battery_state   844 u16 2 -> discharging
        pv_power        850 u16 4321
    """),
    "sunspec-common": Device("holding", 0, _SUNSPEC_COMMON),
    "sunspec-inverter": Device("holding", 0, _SUNSPEC_COMMON + """
        current     40071 u16 43.21 sf -2 @ 40075
        current_l1  40072 u16 14.4 sf -2 @ 40075
        current_l2  40073 u16 14.41 sf -2 @ 40075
        current_l3  40074 u16 14.39 sf -2 @ 40075
        voltage_l12 40076 u16 399.1 sf -1 @ 40082
        voltage_l23 40077 u16 400.2 sf -1 @ 40082
        voltage_l31 40078 u16 401.3 sf -1 @ 40082
        voltage_l1  40079 u16 230.4 sf -1 @ 40082
        voltage_l2  40080 u16 231.5 sf -1 @ 40082
        voltage_l3  40081 u16 232.6 sf -1 @ 40082
        power       40083 s16 9980 sf 1 @ 40084
        frequency   40085 u16 50.03 sf -3 @ 40086
        apparent_power 40087 s16 9990 sf 1 @ 40088
        reactive_power 40089 s16 -123.4 sf -1 @ 40090
        power_factor   40091 s16 -99.9 sf -1 @ 40092
        energy_total   40093 u32 1923941 sf 0 @ 40095
        dc_current     40096 u16 15.01 sf -2 @ 40097
        dc_voltage     40098 u16 680.2 sf -1 @ 40099
        dc_power       40100 s16 10210 sf 1 @ 40101
        temperature    40102 s16 -5.25 sf -2 @ 40106
        status         40107 u16 4 -> producing
    """),
    "sunspec-inverter-float": Device("holding", 0, _SUNSPEC_COMMON + """
        current     40071 float 43.25
        current_l1  40073 float 14.25
        current_l2  40075 float 14.5
        current_l3  40077 float 14.75
        voltage_l12 40079 float 399.5
        voltage_l23 40081 float 400.5
        voltage_l31 40083 float 401.5
        voltage_l1  40085 float 230.5
        voltage_l2  40087 float 231.5
        voltage_l3  40089 float 232.5
        power       40091 float 9980.5
        frequency   40093 float 50.0625
        apparent_power 40095 float 9990.5
        reactive_power 40097 float -123.5
        power_factor   40099 float -99.5
        energy_total   40101 float 1923941.0
        dc_current     40103 float 15.5
        dc_voltage     40105 float 680.5
        dc_power       40107 float 10210.5
        temperature    40109 float -5.25
        status         40117 u16 7 -> fault
    """),
    "sunspec-meter": Device("holding", 0, _SUNSPEC_COMMON + """
        current     40071 s16 -4.32 sf -2 @ 40075
        current_l1  40072 s16 -1.43 sf -2 @ 40075
        current_l2  40073 s16 -1.44 sf -2 @ 40075
        current_l3  40074 s16 -1.45 sf -2 @ 40075
        voltage_ln_avg 40076 s16 231.5 sf -1 @ 40084
        voltage_l1  40077 s16 230.4 sf -1 @ 40084
        voltage_l2  40078 s16 231.5 sf -1 @ 40084
        voltage_l3  40079 s16 232.6 sf -1 @ 40084
        voltage_ll_avg 40080 s16 400.2 sf -1 @ 40084
        voltage_l12 40081 s16 399.1 sf -1 @ 40084
        voltage_l23 40082 s16 400.2 sf -1 @ 40084
        voltage_l31 40083 s16 401.3 sf -1 @ 40084
        frequency   40085 s16 49.97 sf -2 @ 40086
        power       40087 s16 -2980 sf 1 @ 40091
        power_l1    40088 s16 -980 sf 1 @ 40091
        power_l2    40089 s16 -990 sf 1 @ 40091
        power_l3    40090 s16 -1010 sf 1 @ 40091
        apparent_power 40092 s16 2990 sf 1 @ 40096
        reactive_power 40097 s16 120 sf 1 @ 40101
        power_factor   40102 s16 -99.5 sf -1 @ 40106
        energy_export  40107 u32 76543210 sf 1 @ 40123
        energy_import  40115 u32 1234560 sf 1 @ 40123
    """),
    "sunspec-meter-float": Device("holding", 0, _SUNSPEC_COMMON + """
        current     40071 float -4.25
        current_l1  40073 float -1.25
        current_l2  40075 float -1.5
        current_l3  40077 float -1.75
        voltage_ln_avg 40079 float 231.5
        voltage_l1  40081 float 230.5
        voltage_l2  40083 float 231.25
        voltage_l3  40085 float 232.5
        voltage_ll_avg 40087 float 400.5
        voltage_l12 40089 float 399.5
        voltage_l23 40091 float 400.25
        voltage_l31 40093 float 401.5
        frequency   40095 float 49.9375
        power       40097 float -2980.5
        power_l1    40099 float -980.5
        power_l2    40101 float -990.5
        power_l3    40103 float -1009.5
        apparent_power 40105 float 2990.5
        reactive_power 40113 float 120.5
        power_factor   40121 float -0.5
        energy_export  40129 float 76543.5
        energy_import  40137 float 12345.5
    """),
    "fronius-inverter": Device("holding", 1, """
        manufacturer 40005 str32 Fronius
        model        40021 str32 Symo-10.0-3-M
        version      40045 str16 0.3.30.2
        serial       40053 str32 34119102
        current     40072 float 43.25
        current_l1  40074 float 14.25
        current_l2  40076 float 14.5
        current_l3  40078 float 14.75
        voltage_l12 40080 float 399.5
        voltage_l23 40082 float 400.5
        voltage_l31 40084 float 401.5
        voltage_l1  40086 float 230.5
        voltage_l2  40088 float 231.5
        voltage_l3  40090 float 232.5
        power       40092 float 9980.5
        frequency   40094 float 50.0625
        apparent_power 40096 float 9990.5
        reactive_power 40098 float -123.5
        power_factor   40100 float -99.5
        energy_total   40102 float 1923941.0
        dc_current     40104 float 15.5
        dc_voltage     40106 float 680.5
        dc_power       40108 float 10210.5
        temperature    40110 float -5.25
        status         40118 u16 1 -> off
    """),
    "sma-inverter": Device("input", 0, """
        power      30775 s32 14980
        power_l1   30777 s32 4990
        power_l2   30779 s32 4995
        power_l3   30781 s32 -5
        voltage_l1 30783 u32 230.12 /100
        voltage_l2 30785 u32 231.23 /100
        voltage_l3 30787 u32 232.34 /100
        frequency  30803 u32 49.99 /100
        reactive_power 30805 s32 -12
        apparent_power 30813 s32 14985
        current_l1 30977 s32 21.684 /1000
        current_l2 30979 s32 21.602 /1000
        current_l3 30981 s32 21.499 /1000
        dc_current_1 30769 s32 12.345 /1000
        dc_voltage_1 30771 s32 612.34 /100
        dc_power_1   30773 s32 7559
        dc_current_2 30957 s32 12.543 /1000
        dc_voltage_2 30959 s32 598.76 /100
        dc_power_2   30961 s32 7510
        energy_total 30513 u64 9007199254740993
        energy_today 30517 u64 45678
        condition    30201 u32 307 -> ok
    """),
    "huawei-sun2000": Device("holding", 0, """
        pv1_voltage 32016 s16 612.3 /10
        pv1_current 32017 s16 8.91 /100
        pv2_voltage 32018 s16 598.7 /10
        pv2_current 32019 s16 -0.01 /100
        dc_power    32064 s32 9876
        voltage_l12 32066 u16 399.1 /10
        voltage_l23 32067 u16 400.2 /10
        voltage_l31 32068 u16 401.3 /10
        voltage_l1  32069 u16 230.4 /10
        voltage_l2  32070 u16 231.5 /10
        voltage_l3  32071 u16 232.6 /10
        current_l1  32072 s32 14.123 /1000
        current_l2  32074 s32 14.234 /1000
        current_l3  32076 s32 -14.345 /1000
        power       32080 s32 9765
        reactive_power 32082 s32 -65
        power_factor   32084 s16 -0.998 /1000
        frequency      32085 u16 50.02 /100
        efficiency     32086 u16 98.76 /100
        temperature    32087 s16 -5.4 /10
        energy_total   32106 u32 12345.67 /100
        energy_today   32114 u32 34.56 /100
        battery_power  37001 s32 -2500
        battery_soc    37004 u16 76.5 /10
        battery_energy_charged    37066 u32 1234.56 /100
        battery_energy_discharged 37068 u32 1200.01 /100
        meter_current_l1 37107 s32 -1.23 /100
        meter_current_l2 37109 s32 4.56 /100
        meter_current_l3 37111 s32 7.89 /100
        meter_power    37113 s32 -321
        meter_energy_import 37121 u32 987.65 /100
    """),
    "growatt-inverter": Device("input", 0, """
        status      0 u16 1 -> normal
        pv_power    1 u32 10123.4 /10
        pv1_voltage 3 u16 612.3 /10
        pv1_current 4 u16 8.9 /10
        pv1_power   5 u32 5449.4 /10
        pv2_voltage 7 u16 598.7 /10
        pv2_current 8 u16 7.8 /10
        pv2_power   9 u32 4674.0 /10
        power      35 u32 9987.6 /10
        frequency  37 u16 50.02 /100
        voltage_l1 38 u16 230.4 /10
        current_l1 39 u16 14.4 /10
        apparent_power_l1 40 u32 3317.7 /10
        voltage_l2 42 u16 231.5 /10
        current_l2 43 u16 14.5 /10
        apparent_power_l2 44 u32 3356.7 /10
        voltage_l3 46 u16 232.6 /10
        current_l3 47 u16 14.6 /10
        apparent_power_l3 48 u32 3395.9 /10
        energy_today 53 u32 45.6 /10
        energy_total 55 u32 123456.7 /10
        temperature  93 s16 -4.5 /10
    """),
    "solis-inverter": Device("input", 1, """
        power        3005 u32 99876
        dc_power     3007 u32 101234
        energy_total 3009 u32 123456
        energy_today 3015 u16 45.6 /10
        pv1_voltage  3022 u16 612.3 /10
        pv1_current  3023 u16 8.9 /10
        pv2_voltage  3024 u16 598.7 /10
        pv2_current  3025 u16 7.8 /10
        voltage_l1   3034 u16 230.4 /10
        voltage_l2   3035 u16 231.5 /10
        voltage_l3   3036 u16 232.6 /10
        current_l1   3037 u16 14.4 /10
        current_l2   3038 u16 14.5 /10
        current_l3   3039 u16 14.6 /10
        temperature  3042 u16 41.2 /10
        frequency    3043 u16 50.02 /100
    """),
}
