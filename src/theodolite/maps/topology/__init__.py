"""Minima, basins, and what connects them."""
