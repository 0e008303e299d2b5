// Decodes and encodes every MQTT control packet of 3.1, 3.1.1 and 5.0, for both sides of a connection. Does no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "mqtt/output_buffer.hpp"
#include "mqtt/packets.hpp"

namespace ferrule::mqtt {

// Decoding. The frame comes from a Framer; what is decoded are views into it. Every refusal names what to tell the peer
// and the statement that it violated; whoever gets one closes the connection [MQTT-4.13.1-1].

/// Any packet that `sender` may send in this version, except that a server takes CONNECT from whoever sends it first.
Decoded<Packet> decode(const Frame& frame, Version version, Sender sender);

/// Reads the version from the packet itself: UnsupportedProtocolVersion for others than the three.
Decoded<Connect> decode_connect(const Frame& frame);
/// In which version to answer a CONNECT that was refused: the nearest to what it asks for that we speak.
Version version_to_answer(const Frame& connect);
Decoded<Connack> decode_connack(const Frame& frame, Version version);
Decoded<Publish> decode_publish(const Frame& frame, Version version, Sender sender);
Decoded<Ack> decode_ack(const Frame& frame, Version version);  ///< PUBACK, PUBREC, PUBREL, PUBCOMP
Decoded<Subscribe> decode_subscribe(const Frame& frame, Version version);
Decoded<Suback> decode_suback(const Frame& frame, Version version);
Decoded<Unsubscribe> decode_unsubscribe(const Frame& frame, Version version);
Decoded<Unsuback> decode_unsuback(const Frame& frame, Version version);
Decoded<Disconnect> decode_disconnect(const Frame& frame, Version version, Sender sender);
Decoded<Auth> decode_auth(const Frame& frame, Version version);
Decoded<void> decode_ping(const Frame& frame);  ///< PINGREQ, PINGRESP

// Encoding appends one packet to `out`. What it is given is ours: valid, and short enough for the lengths of the wire.

void encode(const Connect& packet, OutputBuffer& out);
void encode(const Connack& packet, Version version, OutputBuffer& out);
/// One packet for one receiver; a FanOut serves many from one encoding.
void encode(const Publish& packet, Version version, OutputBuffer& out);
void encode(const Ack& packet, Version version, OutputBuffer& out);
void encode(const Subscribe& packet, Version version, OutputBuffer& out);
void encode(const Suback& packet, Version version, OutputBuffer& out);
void encode(const Unsubscribe& packet, Version version, OutputBuffer& out);
void encode(const Unsuback& packet, Version version, OutputBuffer& out);
void encode(Pingreq, Version version, OutputBuffer& out);
void encode(Pingresp, Version version, OutputBuffer& out);
void encode(const Disconnect& packet, Version version, OutputBuffer& out);
void encode(const Auth& packet, OutputBuffer& out);
void encode(const Packet& packet, Version version, OutputBuffer& out);

/// Bytes that `encode` would append: what a receiver's Maximum Packet Size is compared with [MQTT-3.1.2-27].
std::size_t encoded_size(const Packet& packet, Version version);

/// The return code of a CONNACK of 3.1 and 3.1.1 that comes nearest to a reason (MQTT 3.1.1 section 3.2.2.3): 0..5.
std::uint8_t connack_return_code(Reason reason);

}  // namespace ferrule::mqtt
