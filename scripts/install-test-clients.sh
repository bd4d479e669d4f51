#!/usr/bin/env bash
# Installs the clients that tests/clients and tests/tus drive: rclone and restic from the distribution, the others into
# .venv-clients; with `full` also npm and what runs on it. Quick when all is there. What cannot be installed is said; its tests then skip, or fail with CI=true.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null

missing=()
tools=(rclone restic)
[[ ${1:-} != full ]] || tools+=(npm)
for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "Missing clients: ${missing[*]} (install them as root; their tests will skip)"
        [[ ${CI:-} != true ]] || exit 1
    else
        echo "Installing clients: ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null
    fi
fi

# MinIO's client, in the full tier: no Debian package, but a Go module. Another program may bear its name.
mc=github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9
if [[ ${1:-} == full && ! -x ${HOME:-}/go/bin/mc ]] && command -v go >/dev/null; then
    echo "Installing $mc (a few minutes, once)"
    go install "$mc" >/dev/null 2>&1 || echo "Could not install $mc (its test will skip)"
fi

js=()
[[ ${1:-} != full ]] || js=(@aws-sdk/client-s3@3.1169.0 @aws-sdk/lib-storage@3.1169.0 tus-js-client@4.3.1)
stamp="$(cksum <requirements-clients.txt) ${js[*]}"
[[ "$(cat .venv-clients/.installed 2>/dev/null)" == "$stamp" ]] && exit 0
. scripts/venv.sh
python=$(find_python)
"$python" -m venv --clear .venv-clients
.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-clients.txt
if ((${#js[@]})) && command -v npm >/dev/null; then
    npm install --prefix .venv-clients/js --no-audit --no-fund --silent "${js[@]}"
fi
echo "$stamp" >.venv-clients/.installed
