"""What run folders are written with, and what they say of their origin."""
