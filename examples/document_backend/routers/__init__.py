"""What the backend is asked over HTTP."""
