#!/usr/bin/env bash
# Prints the Debian packages that a program's shared libraries come from. Usage: runtime-packages.sh PROGRAM
set -euo pipefail
ldd "$1" | awk '$3 ~ /^\// {print $3}' | while read -r library; do
  # Debian 12 has /lib as a link to /usr/lib: dpkg knows a file by the name that its package has.
  dpkg -S "$library" 2>/dev/null || dpkg -S "${library#/usr}" 2>/dev/null || dpkg -S "/usr$library"
done | cut -d: -f1 | sort -u
