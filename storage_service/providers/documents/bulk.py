"""The same for many names at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from storage_service.providers.errors import ProviderError

Result = TypeVar("Result")


@dataclass(slots=True)
class BulkResult(Generic[Result]):
    """By name: what was done, and what went wrong."""

    done: dict[str, Result] = field(default_factory=dict)
    errors: dict[str, ProviderError] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.errors


def do_all(names: Iterable[str], work: Callable[[str], Result], at_once: int) -> BulkResult[Result]:
    """Each name once, in threads. Raises what is no ProviderError: that is a fault of the program."""
    result = BulkResult[Result]()
    with ThreadPoolExecutor(at_once) as pool:
        futures = {name: pool.submit(work, name) for name in dict.fromkeys(names)}
        for name, future in futures.items():
            try:
                result.done[name] = future.result()
            except ProviderError as error:
                result.errors[name] = error
    return result
