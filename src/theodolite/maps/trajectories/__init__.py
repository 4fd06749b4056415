"""Checkpoints of training runs, and the planes that they moved in."""
