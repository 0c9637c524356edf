"""Starts Casefile, or its tests, with a PostgreSQL and a Valkey of their own.

Only the servers' binaries are used: no account is made, no folder's permissions are
changed, nothing listens on a port, and nothing outlives this process.

`bootstrap` and `tether` run before anything is installed: standard library only.
"""
