#!/usr/bin/env bash
# Makes .venv and installs what is missing. Usage: tools/setup.sh run|test
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-run}

find_python() {
  for name in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      echo "$name"
      return
    fi
  done
  echo "orapp needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python $kind" >&2
  exit 1
}

# Shared libraries by the name that the linker looks for, and Debian's package for each.
libraries="
libEGL.so.1 libegl1
libGL.so.1 libgl1
libglib-2.0.so.0 libglib2.0-0
libfontconfig.so.1 libfontconfig1
libdbus-1.so.3 libdbus-1-3
libxkbcommon.so.0 libxkbcommon0
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-image.so.0 libxcb-image0
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
"

missing_packages() {
  local known
  known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
  while read -r library package; do
    if [ -n "$library" ] && ! grep -q "$library" <<<"$known"; then echo "$package"; fi
  done <<<"$libraries"
  if [ -z "$(find /usr/share/fonts -name '*.[to]tf' -print -quit 2>/dev/null)" ]; then echo fonts-dejavu-core; fi
  if [ "$kind" = test ]; then
    command -v Xvfb >/dev/null || echo xvfb
    command -v xauth >/dev/null || echo xauth
    # A real archive for the tests of `orapp send`.
    PATH="$PATH:/usr/sbin" command -v Orthanc >/dev/null || echo orthanc
    [ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || echo orthanc-dicomweb
    # For the picture of the QA report; Ubuntu has it as a snap only, and the test is skipped there.
    if grep -qsx ID=debian /etc/os-release && ! command -v chromium >/dev/null; then echo chromium; fi
  fi
}

install_system_packages() {
  [ "$(uname)" = Linux ] || return 0
  local missing sudo=""
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "${missing// /}" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "For the window, install what Debian calls: $missing" >&2
    return 0
  fi
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "For the window, run: sudo apt-get install $missing" >&2
      return 0
    fi
    sudo="sudo -n"
  fi
  echo "Installing $missing"
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

python=$(find_python)
install_system_packages
if [ ! -x .venv/bin/python ] && ! "$python" -m venv .venv; then
  echo "No virtual environment could be made; install python3-venv" >&2
  exit 1
fi
extra=""
[ "$kind" = test ] && extra="[dev]"
echo "Installing orapp$extra into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --editable ".$extra"
