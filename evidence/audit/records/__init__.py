"""Records: what each row was when it was written, sealed into the audit history."""
