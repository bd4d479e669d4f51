#!/usr/bin/env bash
# Installs what the tests need beyond Python: file systems to cut the power of, a compiler, nginx, a browser, and what
# checks the types of the console's modules.
# With `full` also what only the full tier needs.
# Idempotent, and quick when all is there. Without root or apt-get it says what is missing and
# goes on (those tests skip, with the reason); with CI=true that is an error.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps mkfs, invisible to plain users

missing=()
need() { # package, command...
    local package=$1 command
    shift
    for command in "$@"; do
        command -v "$command" >/dev/null || {
            missing+=("$package")
            return
        }
    done
}
need xfsprogs mkfs.xfs xfs_io
need e2fsprogs mkfs.ext4
need util-linux unshare nsenter flock setpriv
need mount mount losetup
need gcc gcc
need nginx-light nginx
need curl curl
need chromium chromium
need node-typescript tsc
need openssl openssl
[[ ${1:-} != full ]] || need debootstrap debootstrap
need shellcheck shellcheck
need systemd systemd-analyze
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[[ -e /usr/include/stdio.h ]] || missing+=(libc6-dev)

# An S3 server of another kind than ours to test clients against, in the full tier: no Debian package, but a Go module.
gateway=github.com/versity/versitygw/cmd/versitygw@v1.8.0
if [[ ${1:-} == full ]] && ! PATH=$PATH:${HOME:-}/go/bin command -v versitygw >/dev/null && command -v go >/dev/null; then
    echo "Installing $gateway (a few minutes, once)"
    go install "$gateway" >/dev/null 2>&1 || echo "Could not install $gateway (its tests will skip)"
fi

((${#missing[@]})) || exit 0

if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "Missing test tools: ${missing[*]} (install them as root; their tests will skip)"
    [[ ${CI:-} != true ]] || exit 1
    exit 0
fi

# A test machine wants nginx's program, not a server on port 80: this refuses service starts.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "Installing test tools: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null
then
    echo "Could not install: ${missing[*]} (their tests will skip)"
    [[ ${CI:-} != true ]] || exit 1
fi
