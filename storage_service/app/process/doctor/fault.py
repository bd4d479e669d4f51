"""One thing that is amiss."""

from typing import NamedTuple


class Fault(NamedTuple):
    """`code` for programs, `detail` what was found, `fix` what to do; never with a secret in them."""

    code: str
    detail: str
    fix: str
