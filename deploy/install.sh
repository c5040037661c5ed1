#!/usr/bin/env bash
# Installs Longshore as a service of the system: a wheel in a venv, and its unit.
#
#   install.sh [--wheel FILE] [--image-root DIR] [--with DROP-IN]...
#   install.sh --uninstall [--purge]
#
#   --wheel FILE      the wheel; without it the newest in dist/ is taken
#   --image-root DIR  where images lie (default: as before, at first /srv/images)
#   --with DROP-IN    libvirt or block-devices; see deploy/systemd/drop-ins
#   --extras LIST     extras of the package (default: cli,zstd,metrics)
#   --uninstall       takes the program and its unit away, keeps settings and jobs
#   --purge           with --uninstall: takes those away too
#
# To run it again is to upgrade. Settings that are there are never written over.
# DESTDIR: a root to install under; nothing of the running system is touched then.
# PYTHON: the interpreter (default: python3). Options of pip are taken from PIP_*.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dest=${DESTDIR:-}
program=/opt/longshore
prefix=$dest$program
path=$dest/usr/local/bin
units=$dest/etc/systemd/system
settings=$dest/etc/longshore
state=$dest/var/lib/longshore

wheel='' image_root='' extras=cli,zstd,metrics drop_ins='' action=install purge=no

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; }
fail() { echo "install.sh: $*" >&2; exit 1; }
need() { [ $# -gt 1 ] || fail "$1 needs a value"; }

while [ $# -gt 0 ]; do
    case $1 in
        --wheel) need "$@"; wheel=$2; shift 2 ;;
        --image-root) need "$@"; image_root=$2; shift 2 ;;
        --with) need "$@"; drop_ins="$drop_ins $2"; shift 2 ;;
        --extras) need "$@"; extras=$2; shift 2 ;;
        --uninstall) action=uninstall; shift ;;
        --purge) purge=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; fail "unknown option $1" ;;
    esac
done

live() { [ -z "$dest" ] && [ -d /run/systemd/system ]; }
put() { install -D -m "$1" "$2" "$3"; }

check() {
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || fail "Python 3.11 or newer is needed; PYTHON=... names one"
    if [ -z "$wheel" ]; then
        wheel=$(find "$here/../dist" -name 'longshore-*.whl' 2>/dev/null | sort -V | tail -n 1)
    fi
    [ -f "$wheel" ] || fail "no wheel: make one with 'pip wheel --no-deps -w dist .'"
    case $image_root in '' | /*) ;; *) fail "--image-root must be absolute" ;; esac
    for one in $drop_ins; do
        [ -f "$here/systemd/drop-ins/$one.conf" ] \
            || fail "there is no drop-in $one"
    done
}

put_program() {
    [ -x "$prefix/bin/python" ] || "${PYTHON:-python3}" -m venv "$prefix" \
        || fail "cannot make a venv: is python3-venv installed?"
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        "$prefix/bin/python" -m pip install --quiet --upgrade "$wheel[$extras]"
    # The same version built anew is taken too; what it needs is there by now.
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        "$prefix/bin/python" -m pip install --quiet --no-deps --force-reinstall "$wheel"
    put 0644 "$here/../docs/operations.md" "$prefix/share/doc/operations.md"
}

is_ours() { [ "$(readlink "$path/$1")" = "$program/bin/$1" ]; }

put_on_path() {
    mkdir -p "$path"
    for one in longshored longshore; do
        if [ -e "$path/$one" ] || [ -L "$path/$one" ]; then
            is_ours "$one" || echo "install.sh: $path/$one is not ours and stays;" \
                "ours is $program/bin/$one" >&2
        else
            ln -s "$program/bin/$one" "$path/$one"
        fi
    done
}

take_off_path() {
    for one in longshored longshore; do
        if is_ours "$one"; then rm -f "$path/$one"; fi
    done
}

put_service() {
    put 0644 "$here/systemd/longshored.service" "$units/longshored.service"
    put 0644 "$here/systemd/longshore.sysusers" "$dest/usr/lib/sysusers.d/longshore.conf"
    put 0644 "$here/systemd/longshore.tmpfiles" "$dest/usr/lib/tmpfiles.d/longshore.conf"
    mkdir -p "$units/longshored.service.d"
    if [ -n "$image_root" ] || [ ! -e "$units/longshored.service.d/images.conf" ]; then
        printf '[Service]\nReadWritePaths=-%s\n' "${image_root:-/srv/images}" \
            > "$units/longshored.service.d/images.conf"
    fi
    for one in $drop_ins; do
        put 0644 "$here/systemd/drop-ins/$one.conf" \
            "$units/longshored.service.d/$one.conf"
    done
}

put_settings() {
    [ -e "$settings/longshored.toml" ] && return
    mkdir -p "$settings"
    sed "s|\"/srv/images\"|\"${image_root:-/srv/images}\"|" "$here/systemd/longshored.toml" \
        > "$settings/longshored.toml"
    chmod 0640 "$settings/longshored.toml"
}

start() {
    systemd-sysusers longshore.conf
    systemd-tmpfiles --create longshore.conf
    root=${image_root:-/srv/images}
    [ -d "$root" ] || install -d -o longshore -g longshore -m 0750 "$root"
    systemctl daemon-reload
    systemctl enable --quiet longshored
    systemctl restart longshored
    systemctl --no-pager --lines 0 status longshored
}

uninstall() {
    if live; then systemctl disable --now --quiet longshored 2>/dev/null || true; fi
    take_off_path
    rm -rf "$prefix" "$units/longshored.service"
    for one in images "$here"/systemd/drop-ins/*.conf; do
        rm -f "$units/longshored.service.d/$(basename "$one" .conf).conf"
    done
    # One of the operator's own stays.
    rmdir "$units/longshored.service.d" 2>/dev/null || true
    rm -f "$dest/usr/lib/sysusers.d/longshore.conf" "$dest/usr/lib/tmpfiles.d/longshore.conf"
    if [ $purge = yes ]; then rm -rf "$settings" "$state"; fi
    if live; then systemctl daemon-reload; fi
}

if [ $action = uninstall ]; then
    uninstall
    [ $purge = yes ] || echo "Kept: $settings, $state"
    exit 0
fi
check
put_program
put_on_path
put_service
put_settings
if live; then start; else echo "Installed below ${dest:-/}; nothing was started"; fi
