"""Gradient descent, on models and on measured planes, and what it says of a rate."""
