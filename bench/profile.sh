#!/usr/bin/env bash
# Shows where the service spends its time: bench/profile.sh put|get|put64m|get64m|jobs [--seconds N] [--native]
# Needs py-spy (pip install py-spy, in any environment), and root where ptrace is restricted.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null
. bench/tools.sh

exec "$python" -m bench.profiling --s3load "$s3load" "$@"
