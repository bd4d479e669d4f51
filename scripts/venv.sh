# shellcheck shell=bash
# Makes .venv and installs into it. Sourced from the repository's root:
#     . scripts/venv.sh; prepare_venv run|test

# Prints the first Python 3.11 or newer. A name on the path may be a stub that cannot run, or an
# older Python: only asking tells.
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer is needed and was not found (tried python3.11, python3.12," \
        "python3.13, python3)." >&2
    return 1
}

# What an installed environment depends on. The path is part of it: an environment cannot be moved.
venv_fingerprint() {
    { echo "$PWD"; cat requirements*.txt pyproject.toml; } | cksum
}

venv_is_current() { # run|test
    [[ -x .venv/bin/python && -f .venv/.installed-$1 ]] &&
        [[ "$(<".venv/.installed-$1")" == "$(venv_fingerprint)" ]] &&
        .venv/bin/python -c '' 2>/dev/null # its Python may have been removed since
}

make_venv() {
    local python
    python=$(find_python) || return 1
    "$python" -m venv --clear .venv || {
        echo "Could not make .venv with $python. On Debian and Ubuntu: apt install python3-venv" >&2
        return 1
    }
    echo "$PWD" >.venv/.home
}

install_venv() { # run|test
    local requirements=requirements.txt pip
    [[ $1 == test ]] && requirements="requirements-dev.txt"
    venv_is_current "$1" && return # another start did it while this one waited
    echo "Installing $requirements into .venv (first start, or requirements changed)" >&2
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1 ||
        [[ "$(cat .venv/.home 2>/dev/null)" != "$PWD" ]]; then
        make_venv || return 1
    fi
    pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
    # The stamps go first: an interrupted installation is repeated.
    rm -f .venv/.installed-*
    "${pip[@]}" -r "$requirements" || return 1
    "${pip[@]}" --no-deps -e . || return 1
    venv_fingerprint >.venv/.installed-run
    [[ $1 == run ]] || venv_fingerprint >.venv/.installed-test
}

prepare_venv() { # run|test
    venv_is_current "$1" && return
    if command -v flock >/dev/null; then
        # Two starts at once must not install into one another's half-made environment.
        (flock 9 && install_venv "$1") 9>.venv.lock
    else
        install_venv "$1"
    fi
}
