"""The API of policy: extensions, trust, kill switches, snapshots, rollbacks, scans."""
