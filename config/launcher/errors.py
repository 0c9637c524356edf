class LaunchError(Exception):
    """Casefile cannot start here. The message says why, and what to do about it."""
