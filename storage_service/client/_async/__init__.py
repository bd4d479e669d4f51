"""The client, with await. `tools/make_sync_client.py` derives `_sync` from it; `io` alone has two texts."""
