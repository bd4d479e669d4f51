#!/usr/bin/env bash
# Measures the service and what it is compared with, side by side on this machine:
#
#     bench/run.sh                                    every figure: 3 rounds, about 110 minutes
#     bench/run.sh --quick --rounds 1                 a glance: about 15 minutes
#     bench/run.sh --phases put4k_burst,get4k_public  some of them
#     bench/run.sh --out record.json                  keep the record; bench.report and bench.picture make the page
#     bench/run.sh --phases idle --add record.json    go on with a record
#
# Needs gcc, nginx, rclone for one phase, 40 GB on a real disk (15 GB with --quick), and a machine that does nothing else. See bench/README.md.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null
. bench/tools.sh

exec "$python" -m bench.main --s3load "$s3load" "$@"
