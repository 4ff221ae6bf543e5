#!/usr/bin/env bash
# Makes a Debian 12 machine a station: MariaDB with the binlog on, replicator as services.
# May be run again: what is there stays, passwords and replicator.ini too.
#
# Usage (as root): station.sh [OPTIONS]
#   --destination URL   the central server; without it only capture is started
#   --token-file FILE   this station's token there
#   --database NAME     the station's database (default: ch)
#   --schema FILE       SQL to create its tables with, when the database is not there yet
#   --web               also serve the operator's page on http://127.0.0.1:8090/
#   --source DIR        what to install replicator from (default: the checkout this file is in)
#   --dry-run           only print what would be done
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source_folder="$(dirname "$here")"
database=ch
destination=""
token_file=""
schema=""
web=""
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
    --web)
      web=yes
      shift
      continue
      ;;
    --help)
      usage
      exit 0
      ;;
    --destination | --token-file | --database | --schema | --source)
      [[ $# -ge 2 ]] || fail "$1 wants a value"
      ;;
    *) fail "unknown option $1 (--help lists them)" ;;
  esac
  case "$1" in
    --destination) destination="$2" ;;
    --token-file) token_file="$2" ;;
    --database) database="$2" ;;
    --schema) schema="$2" ;;
    --source) source_folder="$2" ;;
  esac
  shift 2
done
[[ "$database" =~ ^[A-Za-z0-9_]+$ ]] || fail "not a database name: $database"
[[ "$destination" =~ ^(https?://[^[:space:]]+)?$ ]] || fail "not a URL: $destination"
[[ -n "$dry_run" || "$(id -u)" -eq 0 ]] || fail "run it as root"

set_up_mariadb() {
  local conf=/etc/mysql/mariadb.conf.d/60-replicator.cnf
  if ! cmp -s "$here/60-replicator.cnf" "$conf"; then
    run install -o root -g root -m 644 "$here/60-replicator.cnf" "$conf"
    run systemctl restart mariadb
  fi
}

# Where a secret is: what an older version of this script has made stays. $1: its file's name.
secret() {
  if [[ -e "$etc/$1" ]]; then echo "$1"; else echo "secrets/$1"; fi
}

configure() {
  local ini
  ini="[station]
name = $(uname -n)

[source]
user = replicator
password_file = $password
database = $database

[outbox]
path = /var/lib/replicator
"
  if [[ -n "$destination" ]]; then
    ini+="
[destination central]
url = $destination
"
    if [[ -n "$token_file" ]]; then
      run install -o root -g replicator -m 640 "$token_file" "$etc/$token"
      ini+="token_file = $token
"
    fi
  fi
  keep "$etc/$password" "$(head -c 24 /dev/urandom | base64)" 640
  keep "$etc/replicator.ini" "$ini" 640
}

grant() {
  local known="(the password)"
  if [[ -z "$dry_run" ]]; then
    known="$(cat "$etc/$password")"
  fi
  if [[ -n "$schema" ]] && ! mariadb -e "USE $database" 2>/dev/null; then
    run mariadb -e "CREATE DATABASE $database"
    feed "$(cat "$schema")" mariadb "$database"
  fi
  feed "
    CREATE USER IF NOT EXISTS 'replicator'@'127.0.0.1';
    ALTER USER 'replicator'@'127.0.0.1' IDENTIFIED BY '$known';
    GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 'replicator'@'127.0.0.1';
    GRANT SELECT ON \`$database\`.* TO 'replicator'@'127.0.0.1';
  " mariadb
}

install_packages station
set_up_mariadb
install_replicator ${web:+web}
password="$(secret password)"
token="$(secret token)"
configure
grant
services=(replicator-tail.service)
if [[ -n "$destination" ]]; then
  services+=(replicator-ship.service)
fi
if [[ -n "$web" ]]; then
  services+=(replicator-web.service)
fi
start "${services[@]}"
if [[ -z "$dry_run" ]]; then
  runuser -u replicator -- "$home/bin/replicator" check --config "$etc/replicator.ini" ||
    echo "the station is set up; what \`replicator check\` found is above" >&2
fi
