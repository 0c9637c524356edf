"""Gathering one picture of what happened from the rows of a case."""
