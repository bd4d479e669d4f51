"""What storages and providers raise, whichever engine is behind them."""


class ProviderError(Exception):
    """Storage did not do what was asked."""


class FileMissing(ProviderError, FileNotFoundError):
    """There is no such file."""


class InvalidPath(ProviderError, ValueError):
    """A path that no storage takes: empty, absolute, or leading out of it."""


class ProviderUnavailable(ProviderError):
    """Not reached, refused, or failing: another provider may do it."""


class ConfigurationError(ProviderError):
    """A setting is missing or contradicts another."""


class DecryptionFailed(ProviderError):
    """Wrong key, or bytes that were altered. Nothing of the content is given out."""
