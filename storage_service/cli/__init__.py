"""The `storage` command. It enters the service by main, wiring or process, never by a room's own door."""
