"""What the API of every app stands on: who asks, how much, errors, pages, schema."""
