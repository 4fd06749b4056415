"""What vectors are multiplied with."""
