// `ferrule completion`: what bash reads to complete our verbs and options.
#pragma once

namespace ferrule::gateway {

int print_completion();

}  // namespace ferrule::gateway
