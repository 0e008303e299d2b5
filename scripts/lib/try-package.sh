# Runs as root in a fresh Debian without systemd as its first process, with the package in /ferrule.deb: installs, starts as the service's user,
# installs over itself, removes and purges.
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends /ferrule.deb

ferrule check /etc/ferrule/ferrule.yaml
printf 'buses: {a: {type: modbus-tcp, host: b}}\ndevices: {m: {bus: a, template: eastron-sdm630}}\n' >/library.yaml
ferrule check /library.yaml
test "$(stat -c %U:%G:%a /etc/ferrule/secrets)" = root:ferrule:750
id -nG ferrule | grep -qw dialout

# As the unit starts it.
mkdir -p -m 750 /var/lib/ferrule && chown ferrule:ferrule /var/lib/ferrule
status=0
setpriv --reuid=ferrule --regid=ferrule --init-groups timeout --signal=TERM 3 ferrule run /etc/ferrule/ferrule.yaml || status=$?
test "$status" = 124  # it ran until it was told to stop
test -n "$(ls -A /var/lib/ferrule)" || touch /var/lib/ferrule/queue-of-a-test

ls -A /var/lib/ferrule >/before
echo '# changed' >>/etc/ferrule/ferrule.yaml
apt-get install -y --reinstall -o Dpkg::Options::=--force-confdef /ferrule.deb
tail -n 1 /etc/ferrule/ferrule.yaml | grep -qx '# changed'
ls -A /var/lib/ferrule | cmp - /before

apt-get remove -y ferrule
test -e /etc/ferrule/ferrule.yaml
ls -A /var/lib/ferrule | cmp - /before
apt-get purge -y ferrule
test ! -e /etc/ferrule && test ! -e /var/lib/ferrule
