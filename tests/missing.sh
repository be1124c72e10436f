# Sourced by tests. missing TEXT: what a test needs is not here, so it is skipped (77) and says why; under tests/run.sh,
# which installs all of that (VLOSS_TESTS_HAVE_ALL), it fails: nothing may go untested there unseen.
missing() {
  if [ -n "${VLOSS_TESTS_HAVE_ALL-}" ]; then
    echo "FAIL: $1, although tests/run.sh installs it"
    exit 1
  fi
  echo "SKIP: $1"
  exit 77
}
