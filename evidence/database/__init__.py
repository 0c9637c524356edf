"""PostgreSQL for Django, with an answer of our own where it cannot do a thing now."""
