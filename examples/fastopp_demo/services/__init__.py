"""What the demo stands on."""
