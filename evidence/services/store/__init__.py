"""Keeping the evidence store and the rows true to each other."""
