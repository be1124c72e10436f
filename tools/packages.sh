# For scripts to read with `.`: need PACKAGE... installs those of the Debian packages that are missing, as root or with
# sudo. apt's lists are brought up to date once, and only if something is missing.
packages_updated=

need() {
  missing=
  for package; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
      *' installed') ;;
      *) missing="$missing $package" ;;
    esac
  done
  if [ -z "$missing" ]; then
    return 0
  fi

  if ! command -v apt-get >/dev/null; then
    echo "$0: this needs the Debian packages$missing, and there is no apt-get to install them" >&2
    return 1
  elif [ "$(id -u)" -eq 0 ]; then
    as_root=
  elif command -v sudo >/dev/null; then
    as_root=sudo
  else
    echo "$0: this needs the packages$missing: install them as root (there is no sudo here)" >&2
    return 1
  fi

  echo "== installing$missing"
  apt_log=$(mktemp)
  apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=60 -o Acquire::Retries=3"
  if [ -z "$packages_updated" ]; then
    # A list that cannot be had is no matter as long as the packages can.
    $apt update >"$apt_log" 2>&1 || echo "$0: apt-get update failed; trying with the lists there are" >&2
    packages_updated=yes
  fi
  if ! $apt install -y --no-install-recommends $missing >>"$apt_log" 2>&1; then
    cat "$apt_log" >&2
    echo "$0: apt-get could not install$missing" >&2
    rm -f "$apt_log"
    return 1
  fi
  rm -f "$apt_log"
}
