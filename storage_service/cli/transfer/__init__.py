"""Files between this machine and a store: what differs, the steps that remove the difference, many at once.

Knows the service by `storage_service.client` alone, and nothing of command lines.
"""
