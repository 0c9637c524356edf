"""The history log: every audit entry a leaf of one tree, and what is signed over it."""
