"""The figures: one command starts targets side by side, loads them and compares. Never imports the service."""
