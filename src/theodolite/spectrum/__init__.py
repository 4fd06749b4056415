"""What products teach about the spectrum."""
