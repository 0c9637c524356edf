"""Who read which case or evidence: noted at once, recorded in batches."""
