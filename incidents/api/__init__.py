"""The API's resources of cases, playbooks and alerts."""
