#include "gateway/completion.hpp"

#include <fmt/format.h>
#include <sysexits.h>

namespace ferrule::gateway {

namespace {

constexpr const char* kBash =
    R"bash(# Completes Ferrule's verbs and options from what its --help says, and files otherwise.
_ferrule() {
  local current=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$(ferrule --help | sed -n '/^Subcommands:/,$s/^  \([a-z]\+\) .*/\1/p') --help --version" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(ferrule "$verb" --help | grep -o -- '--[a-z-]\+')" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _ferrule ferrule
)bash";

}  // namespace

int print_completion() {
  fmt::print("{}", kBash);
  return EX_OK;
}

}  // namespace ferrule::gateway
