"""The HTTP API: its common ground, and the resources of the evidence app."""
