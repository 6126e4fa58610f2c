# Shared by the scripts beside it; sourced, not run.

# skip says why a check does not run, and fails instead where everything is required.
skip() {
  if [ "${BELLWETHER_TEST_REQUIRE:-}" = all ]; then
    echo "FAIL: $1, and BELLWETHER_TEST_REQUIRE=all wants it" >&2
    exit 1
  fi
  echo "SKIP: $1"
  exit 0
}

# need_node skips without a Node.js that the dashboard's tools run on.
need_node() {
  command -v npm >/dev/null 2>&1 || skip "$1: no npm; install Node.js 20.19 or newer"
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    skip "$1: Node.js $(node --version) is older than 20.19"
}

# need_modules installs the dashboard's development packages from its lock file.
need_modules() {
  if [ ! -d ui/node_modules ] || [ ui/package-lock.json -nt ui/node_modules/.package-lock.json ]; then
    (cd ui && npm ci --no-audit --no-fund --loglevel=error)
  fi
}
