#!/usr/bin/env bash
# Makes a Debian 12 machine a station: MariaDB with the binlog on, replicator as services.
# May be run again: what is there stays, passwords and replicator.ini too.
#
# Usage (as root): station.sh [OPTIONS]
#   --destination URL   the central server; without it only capture is started
#   --token-file FILE   this station's token there
#   --database NAME     the station's database (default: ch)
#   --schema FILE       SQL to create its tables with, when the database is not there yet
#   --source DIR        what to install replicator from (default: the checkout this file is in)
#   --dry-run           only print what would be done
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
home=/opt/replicator
etc=/etc/replicator
source_folder="$(dirname "$here")"
database=ch
destination=""
token_file=""
schema=""
dry_run=""

usage() {
  sed -n '2,/^set/ { /^#/ s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}"
}

fail() {
  echo "station.sh: $*" >&2
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

# Run a command, or only print it.
run() {
  if [[ -n "$dry_run" ]]; then
    echo "+ $*"
  else
    "$@"
  fi
}

# Like run, with text on its standard input; the text is not printed, it may hold a password.
feed() {
  local text="$1"
  shift
  if [[ -n "$dry_run" ]]; then
    echo "+ … | $*"
  else
    printf '%s' "$text" | "$@"
  fi
}

# A file that is made once and then kept. $1: path, $2: text, $3: mode.
keep() {
  if [[ ! -e "$1" ]]; then
    feed "$2" install -o root -g replicator -m "$3" /dev/stdin "$1"
  fi
}

install_packages() {
  if [[ -n "$dry_run" ]]; then
    bash "$here/install-packages.sh" --dry-run station
  else
    bash "$here/install-packages.sh" station
  fi
}

set_up_mariadb() {
  local conf=/etc/mysql/mariadb.conf.d/60-replicator.cnf
  if ! cmp -s "$here/60-replicator.cnf" "$conf"; then
    run install -o root -g root -m 644 "$here/60-replicator.cnf" "$conf"
    run systemctl restart mariadb
  fi
}

install_replicator() {
  if ! id replicator >/dev/null 2>&1; then
    run useradd --system --home-dir /var/lib/replicator --shell /usr/sbin/nologin replicator
  fi
  run python3 -m venv "$home"
  run "$home/bin/pip" install --quiet --disable-pip-version-check "$source_folder"
  run install -d -o root -g replicator -m 750 "$etc"
}

# A secret for services that have it only where it was given. $1: its name, $2: the variable that
# names its file, then the services.
hand_over() {
  local name="$1" variable="$2" role folder
  shift 2
  for role in "$@"; do
    folder="/etc/systemd/system/replicator-$role.service.d"
    run install -d -o root -g root -m 755 "$folder"
    feed "[Service]
LoadCredential=$name:$etc/$name
Environment=$variable=%d/$name
" install -o root -g root -m 644 /dev/stdin "$folder/$name.conf"
  done
}

configure() {
  local ini
  ini="[station]
name = $(uname -n)

[source]
user = replicator
password_file = $etc/password
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
      run install -o root -g replicator -m 640 "$token_file" "$etc/token"
      hand_over token REPLICATOR_DESTINATION_CENTRAL_TOKEN_FILE ship run
      ini+="token_file = $etc/token
"
    fi
  fi
  keep "$etc/password" "$(head -c 24 /dev/urandom | base64)" 640
  keep "$etc/replicator.ini" "$ini" 640
}

grant() {
  local password="(the password)"
  if [[ -z "$dry_run" ]]; then
    password="$(cat "$etc/password")"
  fi
  if [[ -n "$schema" ]] && ! mariadb -e "USE $database" 2>/dev/null; then
    run mariadb -e "CREATE DATABASE $database"
    feed "$(cat "$schema")" mariadb "$database"
  fi
  feed "
    CREATE USER IF NOT EXISTS 'replicator'@'127.0.0.1';
    ALTER USER 'replicator'@'127.0.0.1' IDENTIFIED BY '$password';
    GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 'replicator'@'127.0.0.1';
    GRANT SELECT ON \`$database\`.* TO 'replicator'@'127.0.0.1';
  " mariadb
}

start() {
  local services=(replicator-tail.service)
  if [[ -n "$destination" ]]; then
    services+=(replicator-ship.service)
  fi
  local role
  for role in tail ship run web; do
    run install -o root -g root -m 644 "$here/systemd/replicator-$role.service" /etc/systemd/system/
  done
  run systemctl daemon-reload
  run systemctl enable "${services[@]}"
  run systemctl restart "${services[@]}"
}

install_packages
set_up_mariadb
install_replicator
configure
grant
start
if [[ -z "$dry_run" ]]; then
  runuser -u replicator -- "$home/bin/replicator" check --config "$etc/replicator.ini" ||
    echo "the station is set up; what \`replicator check\` found is above" >&2
fi
