#!/usr/bin/env bash
# make.sh DIRECTORY: the certificates of the tests. Each name stands for NAME.crt and NAME.key.
#   ca                     issuer of all but `stranger`; ca.crl revokes `revoked`
#   server, other, expired for localhost, other.plant, and localhost until 2020
#   client, revoked        CN hmi, with names of every kind; CN lost
#   stranger               signed by itself
set -euo pipefail
mkdir -p "$1"
cd "$1"
cat >ca.cnf <<'CONFIG'
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
default_days = 3650
default_crl_days = 3650
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = none
[none]
CONFIG
: >index.txt
echo 1000 >serial

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# certificate NAME SUBJECT [ALTERNATIVE-NAMES [LAST-DAY]]
certificate() {
  local extra=()
  if [[ -n ${3:-} ]]; then extra=(-addext "subjectAltName=$3"); fi
  key "$1"
  openssl req -new -config ca.cnf -key "$1.key" -subj "$2" -out "$1.csr" "${extra[@]}"
  local dates=()
  if [[ -n ${4:-} ]]; then dates=(-startdate 20150101000000Z -enddate "$4"); fi
  openssl ca -batch -notext -config ca.cnf -in "$1.csr" -out "$1.crt" "${dates[@]}"
}

key ca
openssl req -x509 -config ca.cnf -key ca.key -subj /CN=plant-ca -days 3650 -out ca.crt -addext basicConstraints=critical,CA:true
certificate server /CN=localhost DNS:localhost,IP:127.0.0.1,IP:::1
certificate other /CN=other.plant 'DNS:other.plant,DNS:*.wild.plant'
certificate expired /CN=localhost DNS:localhost 20200101000000Z
certificate client /O=Plant/CN=hmi DNS:hmi.plant,email:hmi@plant.example,URI:urn:plant:hmi,IP:192.0.2.7
certificate revoked /CN=lost
openssl ca -config ca.cnf -revoke revoked.crt
openssl ca -config ca.cnf -gencrl -out ca.crl
key stranger
openssl req -x509 -config ca.cnf -key stranger.key -subj /CN=hmi -days 3650 -out stranger.crt
