"""What kind of place a point is."""
