#include "config/asked.hpp"

#include <utility>

#include "config/node.hpp"

namespace ferrule::config {

namespace {

thread_local Questions* gathering = nullptr;

}  // namespace

Questions::Questions() { gathering = this; }
Questions::~Questions() { gathering = nullptr; }

bool anybody_gathers() { return gathering != nullptr; }

void ask(const Node& node, Question question) {
  question.path = node.path();
  gathering->all_.push_back(std::move(question));
}

}  // namespace ferrule::config
