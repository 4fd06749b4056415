"""Torch's fused operations, written in primitive ones."""
