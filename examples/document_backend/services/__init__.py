"""What the backend stands on."""
