"""PostgreSQL for tests whose commits are real: emptying append-only tables is allowed.

Production's triggers stay on while a test runs. Only the emptying between two tests
goes past them, and it leaves the groups and permissions that the migrations made.
"""
