"""Queued work: sent after the commit, claimed once, put back, given up."""
