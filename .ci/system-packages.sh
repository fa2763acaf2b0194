#!/usr/bin/env bash
# System packages for which no wheel exists. Usage: system-packages.sh build|test
#   build: Manim draws with cairo and pango; pycairo and manimpango have no Linux wheels and are compiled (headers, compiler).
#   test:  independent judges of what was built: LibreOffice, Chromium, ffmpeg, poppler; espeak-ng for the voice of that name.
set -euo pipefail

case "${1:-build}" in
  build) packages=(libcairo2-dev libpango1.0-dev pkg-config gcc python3-dev python3-venv) ;;
  test) packages=(chromium libreoffice-impress ffmpeg poppler-utils espeak-ng) ;;
  *) echo "usage: $0 build|test" >&2; exit 2 ;;
esac

# What is there already, by what the packages are for rather than by their names: other systems name them otherwise.
have() {
  case "$1" in
    libcairo2-dev) pkg-config --exists cairo 2>/dev/null ;;
    libpango1.0-dev) pkg-config --exists pangocairo 2>/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    gcc) command -v cc >/dev/null ;;
    python3-dev) python3 -c 'import sysconfig,pathlib,sys; sys.exit(not pathlib.Path(sysconfig.get_path("include"),"Python.h").exists())' ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    chromium) command -v chromium >/dev/null ;;
    libreoffice-impress) command -v soffice >/dev/null ;;
    ffmpeg) command -v ffprobe >/dev/null ;;
    poppler-utils) command -v pdftotext >/dev/null ;;
    espeak-ng) command -v espeak-ng >/dev/null ;;
  esac
}

missing=()
for package in "${packages[@]}"; do have "$package" || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "This system has no apt-get. Please install what these Debian packages hold: ${missing[*]}" >&2
  echo "  (macOS with Homebrew: brew install cairo pango pkg-config)" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo)
  else
    echo "System packages are missing. Ask whoever may: apt-get install ${missing[*]}" >&2
    echo "Then run the same command again." >&2
    exit 1
  fi
fi
echo "installing system packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
