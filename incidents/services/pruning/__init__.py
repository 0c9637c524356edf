"""Pruning: bulky rows of closed cases go, and their tombstones and archives stay."""
