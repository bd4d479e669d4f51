#!/usr/bin/env bash
# Known vulnerabilities of what requirements*.txt pin, as PyPI's advisory service tells them. Exit code 1 for any.
# Without that service nothing is known, and the reason is printed; with AUDIT=required that is an error.
set -euo pipefail
probe=https://pypi.org/pypi/fastapi/$(sed -n "s/^fastapi==//p" requirements.txt)/json
if ! curl -fsSL --max-time 20 "$probe" 2>/dev/null | grep -q '"vulnerabilities"'; then
    echo "skipped: $probe does not tell of vulnerabilities here (no network, or a mirror without them)"
    [[ ${AUDIT:-} != required ]] || exit 1
    exit 0
fi
# Known, and why it does not concern us:
#   ecdsa, CVE-2024-23342: its signing on P-256 leaks by its time, and upstream plans no fix. python-jose requires it and,
#   with `cryptography` there, never imports it; nor do we sign with anything but HMAC. tests/architecture/test_slim.py
#   holds that it is not loaded.
known=(--ignore-vuln PYSEC-2026-1325 --ignore-vuln GHSA-wj6h-64fc-37mp)
for file in requirements.txt requirements-providers.txt; do
    pip-audit --strict --no-deps --disable-pip --progress-spinner off "${known[@]}" --requirement "$file"
done
