"""Second factors: authenticator apps, recovery codes, and who has to have one."""
