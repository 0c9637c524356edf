"""Second factors: passkeys, authenticator apps, recovery codes; who has to have one."""
