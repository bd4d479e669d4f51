"""What fills the demo."""
