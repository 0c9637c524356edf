"""Second factors on pages: one's own, and showing them at a sign-in."""
