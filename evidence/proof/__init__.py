"""Proofs for strangers: the history's tree, signed notes, and the archive's checker."""
