# mqtt.js for the tests, exactly as tests/e2e/js/package-lock.json names it. Sourced by scripts/test.

# install_javascript DIRECTORY: leaves DIRECTORY/node_modules; does nothing when it is there for this lock file.
install_javascript() {
  local source=tests/e2e/js directory=$1
  if cmp -s "$source/package-lock.json" "$directory/package-lock.json" && [[ -e $directory/installed ]]; then return; fi
  echo "==> Installing mqtt.js for the tests from npm into $directory"
  mkdir -p "$directory"
  rm -f "$directory/installed"
  cp "$source"/package.json "$source"/package-lock.json "$directory"
  (cd "$directory" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error </dev/null) || return
  touch "$directory/installed"
}
