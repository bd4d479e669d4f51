"""What the backend does."""
