#!/bin/sh
# Debian packages that the project needs: installs them as root, without questions and without starting a service;
# otherwise says which ones to install. Usage: debian.sh venv | test
set -eu

missing=""
want() { # want PROGRAM-OR-FILE PACKAGE
    command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || missing="$missing $2"
}

case "$1" in
venv)
    # Debian's python3 has no venv of its own; other Pythons do.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    ;;
test)
    want /usr/sbin/dovecot dovecot-imapd
    want /usr/sbin/smtp-sink postfix
    want openssl openssl
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
    ;;
*)
    echo "usage: debian.sh venv | test" >&2
    exit 2
    ;;
esac

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are missing:$missing. Install them with: sudo apt-get install$missing" >&2
    exit 1
fi

echo "Installing Debian packages:$missing"
# A policy of our own keeps packages from starting their services (invoke-rc.d asks it); an existing one stays.
policy=/usr/sbin/policy-rc.d
made_policy=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made_policy=yes
fi
status=0
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ apt-get update -q && apt-get install -y -q --no-install-recommends $missing; } >/tmp/triage-debian.log 2>&1 || status=$?
[ -z "$made_policy" ] || rm -f "$policy"
if [ "$status" -ne 0 ]; then
    tail -n 20 /tmp/triage-debian.log >&2
    echo "apt-get failed; its last words are above. Install by hand:$missing" >&2
fi
exit "$status"
