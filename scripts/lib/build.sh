# Configure and build with a preset of CMakePresets.json. Sourced by the scripts; the working directory is the repository.

# configure PRESET: quiet unless something is wrong. CI builds from nothing each time, and does so faster with precompiled headers.
configure() {
  echo "==> Configuring build/$1"
  local log options=()
  if [[ -n ${CI:-} ]]; then options+=(-DFERRULE_PRECOMPILE=ON); fi
  if ! log=$(cmake --preset "$1" "${options[@]}" 2>&1); then
    printf '%s\n' "$log" >&2
    return 1
  fi
}

# build PRESET [TARGET...]: with ninja's progress.
build() {
  local preset=$1 target targets=()
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  echo "==> Building build/$preset with $(nproc) jobs"
  cmake --build --preset "$preset" --parallel "$(nproc)" "${targets[@]}"
}
