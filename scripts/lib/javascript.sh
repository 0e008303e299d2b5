# JavaScript programs for the tests, exactly as their package-lock.json names them. Sourced by scripts/test.

# install_javascript SOURCE DIRECTORY: leaves DIRECTORY/node_modules as SOURCE/package-lock.json says; does nothing when it is there.
install_javascript() {
  local source=$1 directory=$2
  if cmp -s "$source/package-lock.json" "$directory/package-lock.json" && [[ -e $directory/installed ]]; then return; fi
  echo "==> Installing $(sed -n 's/^  "name": "\(.*\)",$/\1/p' "$source/package.json") for the tests from npm into $directory"
  mkdir -p "$directory"
  rm -f "$directory/installed"
  cp "$source"/package.json "$source"/package-lock.json "$directory"
  (cd "$directory" && npm ci --omit=optional --no-audit --no-fund --ignore-scripts --loglevel=error </dev/null) || return
  touch "$directory/installed"
}
