#!/usr/bin/env bash
# Installs what is missing of the given sections of packages.txt, as root or with sudo.
# Usage: install-packages.sh [--dry-run] SECTION...
set -euo pipefail

list="$(dirname "${BASH_SOURCE[0]}")/packages.txt"
python="${PYTHON:-python3}"
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
dry_run=""
if [[ "${1:-}" == "--dry-run" ]]; then
  dry_run=yes
  shift
fi
if [[ $# -eq 0 ]]; then
  echo "usage: $0 [--dry-run] SECTION... (the sections of $list)" >&2
  exit 2
fi

# Is a package there? $1: its name, $2: what makes it unnecessary, or nothing.
have() {
  case "$2" in
    module:*) "$python" -c "import ${2#module:}" 2>/dev/null && return ;;
    ?*) command -v "$2" >/dev/null && return ;;
  esac
  [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

missing=()
for section in "$@"; do
  if ! grep -qxF "[$section]" "$list"; then
    echo "$0: no section [$section] in $list" >&2
    exit 2
  fi
  current=""
  while read -r package unless _; do
    case "$package" in
      "" | \#*) ;;
      \[*\]) current="$package" ;;
      *)
        if [[ "$current" == "[$section]" ]] && ! have "$package" "$unless"; then
          missing+=("$package")
        fi
        ;;
    esac
  done <"$list"
done

if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "missing here: ${missing[*]} (names of Debian's packages); please install them" >&2
  exit 1
fi
as_root=()
if [[ "$(id -u)" -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "missing: ${missing[*]}; as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
echo "installing ${missing[*]}"
if [[ -n "$dry_run" ]]; then
  echo "+ ${apt[*]} update"
  echo "+ ${apt[*]} install --yes --no-install-recommends ${missing[*]}"
  exit 0
fi
"${apt[@]}" update </dev/null
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" </dev/null
