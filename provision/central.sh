#!/usr/bin/env bash
# Makes a Debian 12 machine a central server: replicator as a service on http://127.0.0.1:8080/.
# A web server with TLS goes before it (docs/central.md). May be run again: what is there stays.
#
# Usage (as root): central.sh [OPTIONS]
#   --station NAME      print a new token for this station; may be given more than once
#   --source DIR        what to install replicator from (default: the checkout this file is in)
#   --dry-run           only print what would be done
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source_folder="$(dirname "$here")"
stations=()
dry_run=""
# shellcheck source=provision/common.sh
source "$here/common.sh"

while [[ $# -gt 0 ]]; do
  case "$1" in
    --dry-run)
      dry_run=yes
      shift
      continue
      ;;
    --help)
      usage
      exit 0
      ;;
    --station | --source)
      [[ $# -ge 2 ]] || fail "$1 wants a value"
      ;;
    *) fail "unknown option $1 (--help lists them)" ;;
  esac
  case "$1" in
    --station) stations+=("$2") ;;
    --source) source_folder="$2" ;;
  esac
  shift 2
done
[[ -n "$dry_run" || "$(id -u)" -eq 0 ]] || fail "run it as root"

install_packages central
install_replicator central
keep "$etc/replicator.ini" "[central]
database = sqlite:////var/lib/replicator/central.db
authentication = required
" 640
run install -d -o replicator -g replicator -m 750 /var/lib/replicator
for station in "${stations[@]}"; do
  run runuser -u replicator -- "$home/bin/replicator" central \
    --config "$etc/replicator.ini" --create-token "$station"
done
start replicator-central.service
