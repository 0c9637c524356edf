"""Source to syntax tree, scopes and writes: what stands where, not what it is worth."""
