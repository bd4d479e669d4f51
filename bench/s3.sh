#!/usr/bin/env bash
# Measures the S3 door beside nginx and the bare app: see bench/s3.py.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null
. bench/tools.sh

exec "$python" -m bench.s3 --s3load "$s3load" "$@"
