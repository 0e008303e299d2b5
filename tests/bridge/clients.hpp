// Tests that hold for every client.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "bridge/settings.hpp"

namespace ferrule::bridge::testing {

inline std::string name_of_client(const ::testing::TestParamInfo<Client>& info) {
  return info.param == Client::Paho ? "Paho" : "Ferrule";
}

}  // namespace ferrule::bridge::testing
