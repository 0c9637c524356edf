"""What the evidence of a case answers to the playbooks, stored and kept up to date."""
