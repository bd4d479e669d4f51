"""Processes: the supervisor that recovers and starts workers and jobs, and how plain uvicorn joins in.

The top room: it may import everything below, and nothing imports it but the CLI and main's lifespan.
"""
