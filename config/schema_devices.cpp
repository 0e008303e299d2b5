// The table of keys: `templates`, `devices`, their points, `publish`.
#include "config/schema.hpp"

namespace ferrule::config {

namespace {

constexpr std::string_view kChecksumShape =
    "words none nmea xor sum8 sum8-complement sum16 CRC-8/SMBUS CRC-8/I-432-1 CRC-8/ROHC CRC-8/MAXIM-DOW "
    "CRC-8/NRSC-5 CRC-8/SAE-J1850 CRC-8/AUTOSAR CRC-8/DVB-S2 CRC-8/CDMA2000 CRC-16/ARC CRC-16/MODBUS "
    "CRC-16/USB CRC-16/MAXIM-DOW CRC-16/UMTS CRC-16/XMODEM CRC-16/IBM-3740 CRC-16/SPI-FUJITSU "
    "CRC-16/GENIBUS CRC-16/KERMIT CRC-16/IBM-SDLC CRC-16/MCRF4XX CRC-16/DNP CRC-16/EN-13757 "
    "CRC-32/ISO-HDLC CRC-32/BZIP2 CRC-32/MPEG-2 CRC-32/CKSUM CRC-32/JAMCRC CRC-32/ISCSI | object "
    "checksum";

constexpr auto kDevice = std::to_array<SchemaKey>({
    {"bus", "text", kRequired, "line1", "The name of its bus."},
    {"unit_id", "integer 0..255", "", "17",
     "Modbus: 0 to 255 over TCP, 1 to 247 in RTU and ASCII frames; there 0 is every unit, whose points can only be "
     "written. Without it 1."},
    {"template", "text", "", "sdm120",
     "The name of a template, all of whose keys it has; its own hide them, down to those of a point."},
});

constexpr auto kPoints = std::to_array<SchemaKey>({
    {"points", "maps object point", "", "{flow: {register: input, address: 0, type: float32, unit: l/s}}",
     "Its points. The name is {point} in topics."},
});

constexpr auto kDeviceModbus = std::to_array<SchemaKey>({
    {"interval", "duration 10ms..1d", "1s", "500ms", "How often its points are read."},
    {"byte_order", "words ABCD BADC CDAB DCBA", "ABCD", "CDAB",
     "Modbus: of its points; A is the most significant byte."},
    {"address_base", "integer 0..1", "0", "1", "1: addresses count from 1, as in some manuals."},
    {"max_gap", "integer 0..125", "8", "0", "Unused registers that one read may span."},
    {"max_registers", "integer 1..125", "125", "32", "How many registers one read may ask for."},
});

constexpr auto kDeviceSystem = std::to_array<SchemaKey>({
    {"interval", "duration 10ms..1d", "10s", "1m", "Of a bus of type system: how often its points are read."},
});

constexpr auto kDeviceSerial = std::to_array<SchemaKey>({
    {"request", "object request", "", "{send: 'P\\r\\n', interval: 500ms}",
     "Serial: what it is asked. Without it the device talks by itself."},
    {"frame", "object frame", kRequired, "{end: \"\\r\\n\"}", "Serial: how its frames are told apart."},
    {"fields", "object fields", "", "{split: \",\"}",
     "Serial: values are fields; a point's `from` counts them from 0."},
    {"pairs", "object pairs", "", "{separator: \";\", assign: \"=\"}",
     "Serial: values have keys; a point's `from` names one."},
    {"json", "bool", "", "true", "Serial: frames are JSON; a point's `from` is a JSON pointer."},
    {"match", "text", "", "'^(?<w>[-\\d.]+) kg$'",
     "Serial: a regular expression (Perl's); a point's `from` names one of its groups."},
    {"only", "text", "", "'^..GGA,'", "Serial: a regular expression; other frames are passed over."},
    {"decimal", "words point comma", "point", "comma", "Serial: how decimals are written."},
    {"byte_order", "words big little ABCD BADC CDAB DCBA", "big", "little", "Serial: of binary values."},
    {"stale_after", "duration 100ms..7d", "1m", "5s",
     "Serial: a value that is not heard again for so long is bad, `stale`. Of a device that is asked: never."},
});

constexpr auto kDeviceCan = std::to_array<SchemaKey>({
    {"dbc", "path", "", "engine.dbc", "CAN: the file that names the signals."},
    {"byte_order", "words little big", "little", "big",
     "CAN: of points that are described here; little is Intel's, big Motorola's."},
    {"stale_after", "duration 0s..7d", "1m", "3s",
     "CAN: a value that is not heard again for so long is bad, `stale`; 0s: never. With a DBC file three times the "
     "message's cycle, if it has one."},
});

constexpr auto kRequest = std::to_array<SchemaKey>({
    {"send", "text", kRequired, "'P\\r\\n'", "Bytes, with the escapes \\r \\n \\t \\0 \\\\ \\xHH."},
    {"interval", "duration 10ms..1d", "1s", "500ms", "How often."},
    {"timeout", "duration 10ms..1m", "500ms", "200ms", "Until the end of the answer. Without it the bus's."},
});

constexpr auto kFrame = std::to_array<SchemaKey>({
    {"start", "text", "", "'\\x02'", "Bytes it begins with, at most 16."},
    {"end", "text", "", "\"\\r\\n\"", "Bytes it ends with, at most 16."},
    {"length", "integer 1..1024 | object length-field", "", "9",
     "Bytes of the whole frame, or the field that says so."},
    {"gap", "duration 5ms..1s", "0s", "20ms", "Silence that ends it: the least reliable way."},
    {"max_length", "integer 1..4096", "256", "82", "Bytes of the whole frame; of one with a length at most 1024."},
    {"checksum", kChecksumShape, "none", "nmea", "The algorithm, or a map that also says how it is written."},
});

constexpr auto kLengthField = std::to_array<SchemaKey>({
    {"at", "integer 0..64", kRequired, "2", "Its offset in the frame."},
    {"bytes", "integer 1..2", "1", "2", "How many it has."},
    {"byte_order", "words big little", "big", "little", "Of two bytes."},
    {"add", "integer -65535..1024", "0", "4", "What is to be added to make it the length of the whole frame."},
});

constexpr auto kChecksum = std::to_array<SchemaKey>({
    {"algorithm", kChecksumShape.substr(0, kChecksumShape.find(" | ")), kRequired, "CRC-16/XMODEM",
     "A sum, or one of the catalogue of CRC algorithms."},
    {"written", "words binary hex", "binary", "hex", "As bytes, or as hexadecimal digits, two a byte."},
    {"byte_order", "words big little", "", "little", "Without it little for reflected CRCs, else big."},
    {"from", "integer 0..64", "0", "1", "The first byte of the frame that it covers; it covers up to itself."},
    {"after", "text", "", "\"*\"", "Bytes that stand before it and are not covered."},
});

constexpr auto kFields = std::to_array<SchemaKey>({
    {"split", "text", "\",\"", "\";\"", "Bytes between two fields."},
});

constexpr auto kPairs = std::to_array<SchemaKey>({
    {"separator", "text", "\",\"", "\";\"", "Bytes between two pairs."},
    {"assign", "text", "\"=\"", "\":\"", "Bytes between a key and its value."},
});

constexpr auto kMeasured = std::to_array<SchemaKey>({
    {"unit", "text", "", "\"°C\"", "Of the value, in payloads."},
    {"interval", "duration 10ms..1d", "", "30s", "How often it is read. Without it as its device says."},
});

constexpr auto kEncoding = std::to_array<SchemaKey>({
    {"register", "words coil discrete input holding", kRequired, "input", "Modbus: the table it is in."},
    {"address", "integer 0..65536", kRequired, "0x0156",
     "Modbus: as on the wire, or from `address_base` on; decimal or 0x.."},
    {"type", "words bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 bcd16 bcd32 string",
     "uint16", "float32", "Modbus: what its registers hold. Of coils, discrete inputs and single bits: bool."},
    {"byte_order", "words ABCD BADC CDAB DCBA", "", "CDAB",
     "Modbus: A is the most significant byte. Without it the device's."},
    {"byte", "words high low", "low", "high", "Modbus: of an int8 or a uint8, which half of the register."},
    {"bit", "integer 0..63", "", "3", "Modbus: the lowest bit of it, where it is a part of an integer."},
    {"bit_count", "integer 1..64", "1", "3", "Modbus: how many bits."},
    {"length", "integer 1..250", "", "16", "Modbus: characters of a string."},
    {"characters_per_register", "integer 1..2", "2", "1", "Modbus: of a string."},
    {"scale", "number", "1", "0.1", "value = raw * scale + offset. Not 0."},
    {"offset", "number", "0", "-40", "value = raw * scale + offset."},
    {"invalid", "number | like ^0x[0-9a-fA-F]+$ | list number", "", "[-32768]",
     "Raw values that mean \"there is none\"."},
});

constexpr auto kPointModbus = std::to_array<SchemaKey>({
    {"scale_factor", "integer 0..65536", "", "21", "Modbus: address of the register with the power of ten (SunSpec)."},
    {"counter", "bool | object counter", "false", "true",
     "Modbus: a count that goes back or leaps is read a second time before it is believed."},
    {"bits", "maps text", "", "{0: alarm, 3: door_open}", "Modbus: a point of its own for each named bit."},
    {"write", "bool | object write/modbus", "false", "{min: 5, max: 30, per_minute: 6}",
     "Whether commands may write it, and their limits."},
});

constexpr auto kPointSerial = std::to_array<SchemaKey>({
    {"from", "text | integer 0..1000", "", "w",
     "Serial: the field, the key, the group or the JSON pointer where the value is."},
    {"at", "integer 0..4095", "", "4", "Serial: the offset of a binary value in the whole frame."},
    {"match", "text", "", "'^T=(?<t>[-\\d.]+)'", "Serial: a regular expression of its own."},
    {"only", "text", "", "'^..RMC,'", "Serial: a regular expression; other frames do not speak of it."},
    {"decimal", "words point comma", "point", "comma",
     "Serial: how decimals are written. Without it as its device says."},
    {"stale_after", "duration 100ms..7d", "", "10s",
     "Serial: when a value that is not heard again is bad. Without it as its device says."},
    {"type", "words bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 bcd16 bcd32 string",
     "float64", "uint16", "Serial: of the value; a binary one needs it."},
    {"base", "integer 10..16", "10", "16", "Serial: of an integer in text, 10 or 16."},
    {"byte_order", "words big little ABCD BADC CDAB DCBA", "", "little",
     "Serial: of a binary value. Without it the device's."},
    {"length", "integer 1..4096", "", "8", "Serial: bytes of a string in a binary frame."},
    {"bit", "integer 0..63", "", "3", "Serial: the lowest bit of it, where it is a part of a binary integer."},
    {"bit_count", "integer 1..64", "1", "3", "Serial: how many bits."},
    {"scale", "number", "1", "0.514444", "value = raw * scale + offset. Not 0."},
    {"offset", "number", "0", "-40", "value = raw * scale + offset."},
    {"invalid", "number | like ^0x[0-9a-fA-F]+$ | list number", "", "[9999]",
     "Raw values that mean \"there is none\"."},
});

constexpr auto kPointCan = std::to_array<SchemaKey>({
    {"signal", "text", "", "Pack.Voltage", "CAN: MESSAGE.SIGNAL of the device's DBC file, which says all the rest."},
    {"message", "integer 0..536870911", "", "0x210", "CAN: the identifier of its message; above 0x7FF it has 29 bits."},
    {"extended", "bool", "", "true", "CAN: a small identifier has 29 bits too."},
    {"pgn", "integer 0..262143", "", "65262", "CAN: a parameter group of J1939, in place of `message`."},
    {"source", "integer 0..255", "", "0", "CAN: whose parameter group. Without it everybody's."},
    {"start_bit", "integer 0..63", kRequired, "7",
     "CAN: as DBC files number them: the least significant bit, of `big` the most significant one."},
    {"length", "integer 1..64", "1", "16", "CAN: how many bits."},
    {"byte_order", "words little big", "", "big", "CAN: little is Intel's, big Motorola's. Without it the device's."},
    {"type", "words bool unsigned signed float32 float64", "", "signed",
     "CAN: without it unsigned; without `length` too bool."},
    {"mux", "object mux", "", "{start_bit: 0, length: 8, value: 1}", "CAN: it is there only while these bits say so."},
    {"stale_after", "duration 0s..7d", "", "0s",
     "CAN: when a value that is not heard again is bad; 0s: never. Without it as its device says."},
    {"scale", "number", "1", "0.01", "value = raw * scale + offset. Not 0."},
    {"offset", "number", "0", "-40", "value = raw * scale + offset."},
    {"invalid", "integer | list integer", "", "[255]", "Raw values that mean \"there is none\"."},
    {"write", "bool | object write/can", "false", "{max: 80, fill: 0}",
     "Whether commands may write it, and their limits."},
});

constexpr auto kPointSystem = std::to_array<SchemaKey>({
    {"from",
     "words cpu_temperature cpu_used load memory_used memory_available disk_used disk_free link received sent uptime "
     "one_wire gpio file",
     kRequired, "disk_used", "This machine: what is measured."},
    {"path", "path", "/", "/var/lib", "Of disk_used and disk_free any file on it; of file the file."},
    {"interface", "text", kRequired, "eth0", "Of link, received and sent."},
    {"zone", "text", "", "cpu-thermal", "Of cpu_temperature: a type of /sys/class/thermal."},
    {"sensor", "text", kRequired, "28-0316a2794cff", "Of one_wire."},
    {"chip", "path", kRequired, "/dev/gpiochip0", "Of gpio."},
    {"line", "integer 0..65535", kRequired, "17", "Of gpio: which line of the chip."},
    {"active_low", "bool", "false", "true", "Of gpio: low is true."},
    {"bias", "words as-is pull-up pull-down disabled", "as-is", "pull-up", "Of gpio."},
    {"scale", "number", "1", "0.001", "value = raw * scale + offset. Not 0."},
    {"offset", "number", "0", "-40", "value = raw * scale + offset."},
});

constexpr auto kMux = std::to_array<SchemaKey>({
    {"start_bit", "integer 0..63", kRequired, "0", "Of the selector."},
    {"length", "integer 1..64", kRequired, "8", "Its bits."},
    {"byte_order", "words little big", "", "big", "Without it the device's."},
    {"value", "integer | list integer", kRequired, "[3, 4]", "What the selector says when the point is there."},
});

constexpr auto kCounter = std::to_array<SchemaKey>({
    {"max", "number 1..", "", "9999999",
     "The largest raw count, after which it begins at 0 again. Without it the type's."},
    {"max_step", "number 0..", "", "1000",
     "The largest raw step between two polls that is believed at once. Without it a sixteenth of `max`."},
});

constexpr auto kWrite = std::to_array<SchemaKey>({
    {"min", "number", "", "5", "In the point's unit."},
    {"max", "number", "", "30", "In the point's unit."},
    {"step", "number 0..", "0", "0.5", "Counted from `min`, or from 0; 0: any value."},
    {"per_minute", "integer 0..6000", "0", "6", "Commands that are taken in a minute; 0: any."},
    {"readback", "duration 0s..1m", "0s", "1s",
     "How long the device may take until it reads back; 0s: its confirmation is enough."},
    {"timeout", "duration 100ms..1h", "5s", "10s", "A command that could not be sent for so long is dropped."},
});

constexpr auto kWriteModbus = std::to_array<SchemaKey>({
    {"function", "integer 0..255", "", "16", "Another function code that suits the value."},
});

constexpr auto kWriteCan = std::to_array<SchemaKey>({
    {"fill", "integer 0..255", "", "0xFF",
     "Every byte of the message that nobody has said yet. Without it such a write is refused."},
    {"size", "integer 1..8", "", "4",
     "Bytes of the message while it was not heard. Without it the DBC file's, else 8."},
});

constexpr auto kMapped = std::to_array<SchemaKey>({
    {"expression", "text", "", "value * 9 / 5 + 32",
     "A calculation with `value` and other points of the device (muParser)."},
    {"enum", "maps text", "", "{0: \"off\", 1: auto}", "Words for numbers."},
    {"clamp", "object clamp", "", "{min: 0, max: 100}", "What lies beyond is shown as the limit, uncertain."},
    {"round", "number 0..", "", "0.1", "To the nearest multiple."},
    {"alarms", "maps object alarm", "", "{hot: {above: 90, hysteresis: 2, delay: 10s}}",
     "Limits whose passing is published, retained, at .../alarm/NAME."},
});

constexpr auto kClamp = std::to_array<SchemaKey>({
    {"min", "number", "", "0", "The lowest value shown."},
    {"max", "number", "", "100", "The highest value shown."},
});

constexpr auto kAlarm = std::to_array<SchemaKey>({
    {"above", "number", "", "90", "Active while the value is above. One of `above`, `below` and `is`."},
    {"below", "number", "", "0.1", "Active while the value is below."},
    {"is", "bool | number | text", "", "fault",
     "Active while the value is this: true or false, a word of the enum, or a number."},
    {"hysteresis", "number 0..", "0", "2", "How far back beyond the limit the value must come."},
    {"delay", "duration 0s..1d", "0s", "10s", "For which the value must lie beyond the limit."},
    {"priority", "words low medium high critical", "medium", "high", "For people, as in ISA-18.2."},
    {"text", "text", "", "Supply too hot", "For people."},
});

constexpr auto kPublish = std::to_array<SchemaKey>({
    {"topic", "text", "", "\"{site}/{area}/{device}/{point}\"",
     "Where: any of {gateway} {site} {area} {line} {bus} {device} {unit} {point}. Without it "
     "{gateway}/{device}/{point}, of json-device without the point. Commands are taken at the same and /set."},
    {"format", "words json raw json-device influx sparkplug wirenboard", "json", "raw", "How a payload is made."},
    {"payload", "text", "", "\"{device} {point} {value}\"",
     "A format of your own, with {value} {json} {ts} {time} {quality} {error} {unit} {device} {point}."},
    {"when", "words change poll", "change", "poll", "At each change, or at each poll."},
    {"heartbeat", "duration 0s..", "5m", "10m",
     "A value that has not changed is published again after so long; 0s: never."},
    {"min_interval", "duration 0s..", "0s", "200ms",
     "A change sooner than this after the last waits for a later poll."},
    {"deadband", "number 0.. | like ^[0-9.]+%$", "0", "2%",
     "What a number must at least move by, in its unit or as a part of the published value."},
    {"window", "object window", "", "{every: 1m, values: [mean, max]}",
     "What it was over a time, in place of each value."},
    {"qos", "integer 0..2", "1", "0", "MQTT's quality of service."},
    {"retain", "bool", "true", "false", "Whether the broker keeps the last value for those who come later."},
    {"homeassistant", "bool | object homeassistant", "", "{discovery: homeassistant}",
     "What Home Assistant is told of it; false: nothing."},
});

constexpr auto kWindow = std::to_array<SchemaKey>({
    {"every", "duration 1s..1d", kRequired, "5m", "From one multiple of it to the next, in UTC."},
    {"values", "list words min max mean last count", "[min, max, mean, last, count]", "[mean, max]", "What of it."},
});

constexpr auto kHomeAssistant = std::to_array<SchemaKey>({
    {"discovery", "text", "", "homeassistant",
     "The topic that Home Assistant looks for devices under. Without it nothing is announced."},
    {"name", "text", "", "Supply air", "Without it the point's."},
    {"device_class", "text", "", "humidity", "Without it what the unit says."},
    {"state_class", "text", "", "measurement", "Without it by what it is."},
});

constexpr auto kSections = std::to_array<SchemaSection>({
    {"template", "What devices of one kind have in common.", {}, "described", ""},
    {"device", "A device at a bus. Keys that begin with the name of a driver are for buses of that type.", kDevice,
     "described", ""},
    {"described",
     "What a device or a template says.",
     {},
     "described/modbus described/serial described/can described/system place publish points",
     ""},
    {"described/modbus", "Devices on Modbus buses.", kDeviceModbus, "", ""},
    {"described/serial", "Devices on serial buses.", kDeviceSerial, "", ""},
    {"described/can", "Devices on CAN buses.", kDeviceCan, "", ""},
    {"described/system", "Devices on buses of type system.", kDeviceSystem, "", ""},
    {"request", "What a serial sensor is asked.", kRequest, "", ""},
    {"frame", "How frames are told apart: by `end`, `length` or `gap`.", kFrame, "", ""},
    {"length-field", "The field that says how long a frame is.", kLengthField, "", ""},
    {"checksum", "A checksum.", kChecksum, "", ""},
    {"fields", "Text that is split.", kFields, "", ""},
    {"pairs", "Text of keys and values.", kPairs, "", ""},
    {"point",
     "A point of a device.",
     {},
     "point/modbus point/serial point/can point/system measured mapped publish",
     ""},
    {"points", "The points of a device.", kPoints, "", ""},
    {"measured", "What every point has.", kMeasured, "", ""},
    {"point/modbus", "Points of Modbus devices.", kPointModbus, "encoding", ""},
    {"point/serial", "Points of serial sensors.", kPointSerial, "", ""},
    {"point/can", "Points of CAN devices.", kPointCan, "", ""},
    {"point/system", "Points of the machine itself.", kPointSystem, "", ""},
    {"encoding", "Where a value lies in a Modbus device's tables, and how.", kEncoding, "", ""},
    {"mux", "The bits that say whether a multiplexed signal is there.", kMux, "", ""},
    {"counter", "A count that only grows.", kCounter, "", ""},
    {"write", "What may be written.", kWrite, "", ""},
    {"write/modbus", "What may be written to registers and coils.", kWriteModbus, "write", ""},
    {"write/can", "What may be written to a CAN signal.", kWriteCan, "write", ""},
    {"mapped", "What is made of a value.", kMapped, "", ""},
    {"clamp", "Limits of what is shown.", kClamp, "", ""},
    {"alarm", "A limit whose passing is told.", kAlarm, "", ""},
    {"publish", "Where, when and how values are published; what a point says hides what its device says, and so on.",
     kPublish, "", ""},
    {"window", "Values gathered over a time.", kWindow, "", ""},
    {"homeassistant", "Home Assistant's discovery.", kHomeAssistant, "", ""},
});

}  // namespace

std::span<const SchemaSection> device_sections() { return kSections; }

}  // namespace ferrule::config
