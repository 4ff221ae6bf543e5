#!/usr/bin/env bash
# Makes a Debian 12 machine a central server: replicator central as a service on loopback, for a
# TLS proxy before it. May be run again: what is there stays, central.ini too.
#
# Usage (as root): central.sh [OPTIONS]
#   --listen HOST:PORT  where it listens (default: 127.0.0.1:8080)
#   --source DIR        what to install replicator from (default: the checkout this file is in)
#   --dry-run           only print what would be done
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
home=/opt/replicator
etc=/etc/replicator
source_folder="$(dirname "$here")"
listen=127.0.0.1:8080
dry_run=""

fail() {
  echo "central.sh: $*" >&2
  exit 2
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    --dry-run)
      dry_run=yes
      shift
      continue
      ;;
    --help)
      sed -n '2,/^set/ { /^#/ s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --listen | --source)
      [[ $# -ge 2 ]] || fail "$1 wants a value"
      ;;
    *) fail "unknown option $1 (--help lists them)" ;;
  esac
  case "$1" in
    --listen) listen="$2" ;;
    --source) source_folder="$2" ;;
  esac
  shift 2
done
[[ "$listen" =~ ^[^[:space:]]+:[0-9]+$ ]] || fail "not HOST:PORT: $listen"
[[ -n "$dry_run" || "$(id -u)" -eq 0 ]] || fail "run it as root"

# Run a command, or only print it.
run() {
  if [[ -n "$dry_run" ]]; then
    echo "+ $*"
  else
    "$@"
  fi
}

if [[ -n "$dry_run" ]]; then
  bash "$here/install-packages.sh" --dry-run central
else
  bash "$here/install-packages.sh" central
fi
if ! id replicator >/dev/null 2>&1; then
  run useradd --system --home-dir /var/lib/replicator --shell /usr/sbin/nologin replicator
fi
run python3 -m venv "$home"
run "$home/bin/pip" install --quiet --disable-pip-version-check "${source_folder}[central]"
run install -d -o root -g replicator -m 750 "$etc"
if [[ ! -e "$etc/central.ini" ]]; then
  run install -o root -g replicator -m 640 /dev/stdin "$etc/central.ini" <<INI
[central]
listen = $listen
database = sqlite:////var/lib/replicator-central/central.db
INI
fi
run install -o root -g root -m 644 "$here/systemd/replicator-central.service" /etc/systemd/system/
run systemctl daemon-reload
run systemctl enable replicator-central.service
run systemctl restart replicator-central.service
