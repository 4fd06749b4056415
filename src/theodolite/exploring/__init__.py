"""Landscapes to learn from: lessons that are measured when their page is made."""
