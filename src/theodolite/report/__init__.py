"""Runs as offline HTML pages: one alone, or several side by side."""
