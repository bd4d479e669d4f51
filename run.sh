#!/usr/bin/env bash
# Starts the storage service on this machine; needs Python 3.11 or newer and a package index.
#
#     ./run.sh                          http://localhost:8001, objects under ./data
#     PORT=9000 STORAGE_PATH=/srv/objects ./run.sh
#
# The first start makes .venv and .env (mode 0600, strong random secrets). Later starts are quick and
# change nothing. Every setting is taken from the environment, else from .env, else from below:
#
#     HOST                         127.0.0.1: this machine only; 0.0.0.0 opens it to the network
#     PORT                         8001
#     STORAGE_PATH                 ./data, beside this script
#     STORAGE_SERVICE_PUBLIC_URL   http://localhost:$PORT, the address permanent links are made with
#
# Arguments go to `storage serve`.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" >/dev/null

. scripts/venv.sh
prepare_venv run

# The service reads .env itself; sourcing it here would run whatever a shared .env contains.
defaults=$(.venv/bin/python -m storage_service.cli.local_env)
while IFS= read -r line; do
    [[ -z $line ]] || export "${line?}"
done <<<"$defaults"

exec .venv/bin/storage serve "$@"
