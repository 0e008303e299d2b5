# What Ferrule needs from the distribution, and how it is asked for. Sourced by the scripts.
# Everything comes from Debian's own packages; JavaScript clients for the tests come from npm (scripts/lib/javascript.sh).

readonly BUILD_PACKAGES=(
  g++ cmake ninja-build ccache mold pkg-config
  libmodbus-dev libserialport-dev libpaho-mqttpp-dev libpaho-mqtt-dev libsqlite3-dev libsqlitecpp-dev libyaml-cpp-dev
  libssl-dev zlib1g-dev libzstd-dev libargon2-dev libfmt-dev libspdlog-dev libcli11-dev nlohmann-json3-dev libexpected-dev libmuparser-dev
  libpcre2-dev libprotobuf-dev protobuf-compiler)
readonly TEST_PACKAGES=(
  libgtest-dev libgmock-dev librapidcheck-dev
  mosquitto mosquitto-clients openssl chromium socat mbpoll microsocks sqlite3 systemd tinyproxy-bin tshark libfaketime prometheus
  e2fsprogs xfsprogs iptables help2man man-db
  python3 python3-jinja2 python3-pytest python3-pymodbus python3-aiohttp python3-paho-mqtt)
readonly FUZZ_PACKAGES=(clang libclang-rt-dev)
# What a package builds with is in debian/control, and installed in a system of its own.
readonly PACKAGE_PACKAGES=(dpkg-dev lintian mmdebstrap)

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

build_packages() { printf '%s\n' "${BUILD_PACKAGES[@]}"; }

test_packages() {
  build_packages
  printf '%s\n' "${TEST_PACKAGES[@]}"
  # pymodbus 3.0 of Debian 12 imports it even for TCP.
  if [[ $(. /etc/os-release && echo "${VERSION_ID:-}") == 12 ]]; then echo python3-serial-asyncio; fi
  # Another Node.js (nvm, /usr/local) is as good as Debian's.
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
}

cluster_packages() {
  test_packages
  echo rabbitmq-server
}

can_guest_packages() {
  test_packages
  printf '%s\n' qemu-system-x86 busybox-static cpio iproute2 xz-utils
}

fuzz_packages() {
  build_packages
  printf '%s\n' "${FUZZ_PACKAGES[@]}"
}

package_packages() { printf '%s\n' "${PACKAGE_PACKAGES[@]}"; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# A package that brings a service (mosquitto) must not start one on this machine: the tests run instances of their own.
install_without_starting_services() {
  local policy=/usr/sbin/policy-rc.d own_policy='' status=0
  if [[ ! -e $policy ]]; then
    own_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null || status=$?
  if [[ -n $own_policy ]]; then as_root rm -f "$policy"; fi
  return "$status"
}

# install_missing PACKAGE...: asks apt for those that are not installed, and for nothing when all are.
install_missing() {
  local package missing=()
  for package in "$@"; do is_installed "$package" || missing+=("$package"); done
  ((${#missing[@]})) || return 0
  echo "==> Installing ${#missing[@]} missing package(s) from $(. /etc/os-release && echo "$PRETTY_NAME"): ${missing[*]}"
  if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
    echo "This needs root and there is no sudo. As root, run: apt-get install ${missing[*]}" >&2
    return 1
  fi
  if ! apt-get install --simulate "${missing[@]}" >/dev/null 2>&1; then as_root apt-get update; fi
  # The lists may know versions that the mirror has replaced meanwhile.
  install_without_starting_services "${missing[@]}" ||
    { as_root apt-get update && install_without_starting_services "${missing[@]}"; }
  if [[ " ${missing[*]} " == *' mosquitto '* ]] && command -v systemctl >/dev/null; then
    as_root systemctl disable mosquitto.service >/dev/null 2>&1 || true
    echo "==> mosquitto is there for the tests only: its system service was not started and is disabled"
  fi
  if [[ " ${missing[*]} " == *' rabbitmq-server '* ]] && command -v systemctl >/dev/null; then
    as_root systemctl disable rabbitmq-server.service >/dev/null 2>&1 || true
  fi
  if [[ " ${missing[*]} " == *' prometheus '* ]] && command -v systemctl >/dev/null; then
    as_root systemctl disable prometheus.service >/dev/null 2>&1 || true
  fi
}

# need_packages build|test|cluster|can_guest|fuzz
need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "==> This is not a Debian system: taking it that what scripts/lib/packages.sh lists is installed" >&2
    return 0
  fi
  local wanted
  mapfile -t wanted < <("$1_packages")
  install_missing "${wanted[@]}"
}
