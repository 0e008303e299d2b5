# Runs as root in a fresh Debian without systemd as its first process, with the package in /ferrule.deb.
#   install         an older version of it, which is the same but for its number; needs the network
#   run [EMULATOR]  starts it as the service's user, upgrades it while a message waits in a queue, removes and purges it
export DEBIAN_FRONTEND=noninteractive
configuration=/etc/ferrule/ferrule.yaml
state=/var/lib/ferrule

install_older() {
  dpkg-deb --raw-extract /ferrule.deb /older
  sed -i 's/^Version: .*/Version: 0.0.1/' /older/DEBIAN/control
  dpkg-deb --build /older /older.deb
  apt-get install -y --no-install-recommends /older.deb
}

# Whatever the machine can run itself; another architecture's program in the emulator.
ferrule() { $emulator /usr/bin/ferrule "$@"; }

as_service() { exec setpriv --reuid=ferrule --regid=ferrule --init-groups "$@"; }

# The installed package that is, or provides, the one of that name.
provider() {
  dpkg-query --show --showformat '${Package} ${Provides}\n' |
    awk -F '[, ]+' -v wanted="$1" '{ for (i = 1; i <= NF; i++) if ($i == wanted) { print $1; exit } }'
}

check_files() {
  test -e /usr/lib/udev/rules.d/60-ferrule.rules
  test -e /usr/share/bash-completion/completions/ferrule
  dpkg-query --show --showformat '${Conffiles}' ferrule | grep -qw "$configuration"
  test "$(stat -c %U:%G:%a /etc/ferrule/secrets)" = root:ferrule:750  # by tmpfiles
  id -nG ferrule | grep -qw dialout                                   # by sysusers
  verbs=$(ferrule --help | sed -n '/^Subcommands:/,$s/^  \([a-z]\+\) .*/\1/p')
  test "$(echo "$verbs" | wc -l)" -gt 15
  for page in ferrule ferrule-users-add $(printf 'ferrule-%s ' $verbs); do test -s "/usr/share/man/man1/$page.1.gz"; done
  test "$(grep -c FERRULE_KILL_AT /usr/bin/ferrule)" = 0  # the points where tests kill it are not in a release
  # The bill of materials has every library that dpkg-shlibdeps found.
  libraries=$(dpkg-query --show --showformat '${Depends}\n' ferrule | tr ',' '\n' | sed -n 's/^ *\(lib[^ ]*\).*/\1/p')
  test "$(echo "$libraries" | wc -l)" -gt 10
  for library in $libraries; do grep -qF "\"name\": \"$(provider "$library")\"" /usr/share/doc/ferrule/sbom.cdx.json; done
}

check_examples() {
  ferrule check "$configuration"
  printf 'buses: {a: {type: modbus-tcp, host: b}}\ndevices: {m: {bus: a, template: eastron-sdm630}}\n' >/library.yaml
  ferrule check /library.yaml
}

# eventually COMMAND...: tries it for a while; an emulator is slow.
eventually() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    test "$tries" -lt 300
    sleep 0.2
  done
}

# As the unit starts it.
start() {
  (as_service $emulator /usr/bin/ferrule run "$configuration") &
  gateway=$!
  eventually mosquitto_pub -h 127.0.0.1 -q 1 -t started -m yes
}
stop() {
  kill -TERM "$gateway"
  wait "$gateway"
}

# The memory of the idle gateway in kB. In QEMU only that of the program, whose addresses are below 2^40; its own are above.
resident() {
  awk -v emulator="$emulator" '/^[0-9a-f]+-/ { counts = !emulator || index($1, "-") <= 11 } /^Rss:/ && counts { sum += $2 } END { print sum }' \
    "/proc/$gateway/smaps"
}
is_small() { test "$(resident)" -le 12000; }

none_waits() { test -z "$(ferrule queue export --queued)"; }
queued() { (as_service $emulator /usr/bin/ferrule queue export --queued --state-dir "$state"); }

try_upgrade() {
  cat >"$configuration" <<'END'
version: 2
gateway: {id: plant1}
broker: {listen: [{bind: 127.0.0.1, port: 1883}]}
uplinks:
  hq: {url: "mqtt://127.0.0.1:1884", out: [{from: "plant1/#", to: "sites/{topic}", qos: 1}]}
END
  cp "$configuration" /changed.yaml
  start
  mosquitto_pub -h 127.0.0.1 -q 1 -t plant1/kept -m before-the-upgrade  # acknowledged: it is on disk
  stop
  queued | grep -qF before-the-upgrade

  apt-get install -y /ferrule.deb
  test "$(dpkg-query --show --showformat '${Version}' ferrule)" != 0.0.1
  cmp "$configuration" /changed.yaml
  queued | grep -qF before-the-upgrade

  mosquitto -p 1884 &
  cloud=$!
  eventually mosquitto_sub -h 127.0.0.1 -p 1884 -q 1 -c -i cloud -t 'sites/#' -E
  start
  test "$(mosquitto_sub -h 127.0.0.1 -p 1884 -q 1 -c -i cloud -t 'sites/#' -C 1 -W 60)" = before-the-upgrade
  eventually none_waits  # the cloud's acknowledgement is here, too
  stop
  kill "$cloud"
}

try_removal() {
  ls -A "$state" >/before
  apt-get remove -y ferrule
  test -e "$configuration"
  ls -A "$state" | cmp - /before
  apt-get purge -y ferrule
  test ! -e /etc/ferrule && test ! -e "$state"
}

run() {
  emulator=${1:-}
  ip link set lo up
  install -d -o ferrule -g ferrule -m 750 "$state" /run/ferrule  # StateDirectory, RuntimeDirectory
  check_files
  check_examples
  start  # with the configuration as shipped
  eventually is_small  # what only the start needed is given back
  echo "idle: $(resident) kB"
  stop
  try_upgrade
  try_removal
}

case $1 in
  install) install_older ;;
  run) run "${2:-}" ;;
esac
