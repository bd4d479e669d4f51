"""The client without await: made by `tools/make_sync_client.py` from `_async`, except `io`. Edit there, run that."""
