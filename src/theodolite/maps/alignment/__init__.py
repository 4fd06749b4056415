"""Permutation symmetries: found by tracing, matched between two models."""
