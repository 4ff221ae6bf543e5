#!/usr/bin/env bash
# What station.sh and central.sh share; they source it. They set: here, source_folder, dry_run.

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
home=/opt/replicator
etc=/etc/replicator
: "${here:?}" "${source_folder:?}" "${dry_run?}"

# Print the comment at the beginning of the calling script.
usage() {
  sed -n '2,/^set/ { /^#/ s/^# \{0,1\}//p }' "$0"
}

fail() {
  echo "${0##*/}: $*" >&2
  exit 2
}

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

# $1: a section of packages.txt.
install_packages() {
  if [[ -n "$dry_run" ]]; then
    bash "$here/install-packages.sh" --dry-run "$1"
  else
    bash "$here/install-packages.sh" "$1"
  fi
}

# The program, its user, its folders. $1: what it is to be able to do, extras of setup.cfg, or nothing.
install_replicator() {
  if ! id replicator >/dev/null 2>&1; then
    run useradd --system --home-dir /var/lib/replicator --shell /usr/sbin/nologin replicator
  fi
  run python3 -m venv "$home"
  run "$home/bin/pip" install --quiet --disable-pip-version-check "$source_folder${1:+[$1]}"
  run install -d -o root -g replicator -m 750 "$etc" "$etc/secrets"
}

# All units; those named begin now and with the machine.
start() {
  run install -d -m 755 /etc/systemd/system/replicator-.service.d
  run install -o root -g root -m 644 "$here"/systemd/replicator-*.service /etc/systemd/system/
  run install -o root -g root -m 644 "$here"/systemd/replicator-.service.d/*.conf \
    /etc/systemd/system/replicator-.service.d/
  run systemctl daemon-reload
  run systemctl enable "$@"
  run systemctl restart "$@"
}
