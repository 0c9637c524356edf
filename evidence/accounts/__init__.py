"""People, machines and their tokens: who they are, and what they may do."""
