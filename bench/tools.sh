# shellcheck shell=bash
# Sourced from the repository's root: sets `python` and `s3load`, making what is missing.
python=${PYTHON:-}
if [[ -z $python ]]; then
    . scripts/venv.sh
    prepare_venv run
    python=$PWD/.venv/bin/python
fi

s3load=bench/build/s3load
if [[ ! -x $s3load || bench/s3load.c -nt $s3load ]]; then
    command -v gcc >/dev/null || {
        echo "gcc is needed to build the load generator. On Debian and Ubuntu: apt install gcc libc6-dev" >&2
        exit 1
    }
    mkdir -p bench/build
    gcc -O2 -Wall -o "$s3load" bench/s3load.c
fi
