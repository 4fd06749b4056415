"""Curves of low loss between two points, and the passes that they cross."""
