// A round trip by Paho's C++ library, which stands on its C library: subscribes to TOPIC with QoS 2, publishes there
// with QoS 0, 1 and 2, and prints what comes, each as `QOS PAYLOAD`.
//
// Usage: paho_client URI VERSION TOPIC CLIENT-ID [CA [CERTIFICATE KEY]]
#include <mqtt/async_client.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
constexpr int kInFlight = 10;

mqtt::connect_options options_for(int version, const std::vector<std::string>& files) {
  mqtt::connect_options options;
  options.set_mqtt_version(version);
  if (version == MQTTVERSION_5) {
    options.set_clean_start(true);
  } else {
    options.set_clean_session(true);
  }
  if (files.empty()) return options;
  mqtt::ssl_options ssl;
  ssl.set_trust_store(files[0]);
  ssl.set_verify(true);
  if (files.size() == 3) {
    ssl.set_key_store(files[1]);
    ssl.set_private_key(files[2]);
  }
  options.set_ssl(ssl);
  return options;
}

void round_trip(mqtt::async_client& client, const mqtt::connect_options& options, const std::string& topic) {
  client.start_consuming();
  client.connect(options)->wait();
  client.subscribe(topic, 2)->wait();
  for (int qos = 0; qos <= 2; ++qos) client.publish(topic, std::to_string(qos), qos, false)->wait();
  for (int i = 0; i < 3; ++i) {
    mqtt::const_message_ptr message;
    if (!client.try_consume_message_for(&message, kPatience) || !message) throw std::runtime_error("nothing came");
    std::cout << message->get_qos() << ' ' << message->to_string() << std::endl;
  }
  client.disconnect()->wait();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 4) return 64;
  try {
    const int version = std::stoi(words[1]);
    mqtt::async_client client(words[0], words[3], mqtt::create_options(version, kInFlight));
    round_trip(client, options_for(version, {words.begin() + 4, words.end()}), words[2]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
