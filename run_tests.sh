#!/usr/bin/env bash
# Runs lint and tests. Tiers:
#
#     ./run_tests.sh --quick     while working: under 90 s
#     ./run_tests.sh             the CI tier: under 25 min on 2 cores; as root it installs test tools
#     ./run_tests.sh --full      everything
#     ./run_tests.sh --lint      only format, lint, imports and types
#
#     --size=small|medium|large|extra_large|all   bodies of 10, 50, 500, 1000 MB in tests/test_sizes.py
#                                                 (--quick: small, CI: medium, --full: all)
#     -- ARGS                                     for pytest: ./run_tests.sh --quick -- -k listing -x
#
# The last line is pytest's summary, or "N passed, N failed" when a lint step failed.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" >/dev/null

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' run_tests.sh; }

tier=ci
size=
while (($#)); do
    case $1 in
        --quick) tier=quick ;;
        --full) tier=full ;;
        --lint) tier=lint ;;
        --size=small | --size=medium | --size=large | --size=extra_large | --size=all) size=${1#*=} ;;
        -h | --help) usage && exit ;;
        --) shift && break ;;
        *) echo "Unknown argument $1 (arguments for pytest go after --)" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
case $tier in
    quick) marks="not ci and not full" default_size=small ;;
    full) marks="" default_size=all ;;
    *) marks="not full" default_size=medium ;;
esac
export STORAGE_TEST_SIZE=${size:-$default_size}

passed=0
failed=()
step() { # name, command...: runs it, prints its time, remembers the outcome
    local name=$1 started=$SECONDS
    shift
    echo "== $name"
    if "$@"; then
        passed=$((passed + 1))
        echo "== $name: ok, $((SECONDS - started)) s"
    else
        failed+=("$name")
        echo "== $name: FAILED, $((SECONDS - started)) s"
    fi
}
stop_if_failed() {
    ((${#failed[@]} == 0)) && return
    printf 'failed: %s\n' "${failed[@]}"
    echo "$passed passed, ${#failed[@]} failed"
    exit 1
}

. scripts/venv.sh
step "environment" prepare_venv test
stop_if_failed
export PATH="$PWD/.venv/bin:$PATH"
if [[ $tier == ci || $tier == full ]]; then
    step "test tools" scripts/install-test-tools.sh "$tier"
    step "test clients" scripts/install-test-clients.sh "$tier"
    stop_if_failed
fi

# All of lint runs before it stops: one round of fixing, not four.
step "format" ruff format --check --quiet .
step "lint" ruff check --quiet .
step "imports" lint-imports --no-logo
step "types" mypy --no-error-summary
[[ $tier == quick ]] || step "security" scripts/security-lint.sh
stop_if_failed
[[ $tier != full ]] || step "vulnerabilities" scripts/audit-requirements.sh
stop_if_failed
if [[ $tier == lint ]]; then
    echo "$passed passed, 0 failed"
    exit
fi

# Warnings are errors (pyproject.toml). worksteal: each of the two has half of the rooms, in order, so that what a room
# sets up is set up once; who is done first helps.
echo "== tests: $tier, size $STORAGE_TEST_SIZE (lint and set-up took $SECONDS s)"
exec python -m pytest -n 2 --dist worksteal -m "$marks" --cov --cov-report=term "$@"
