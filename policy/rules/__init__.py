"""What policy means, as pure functions over frozen values.

Guarantees: no Django, no database, no files, no clock, no network. The same
arguments give the same answer. A refusal is a `Decision` with its reasons; only
a caller's mistake or a document that cannot be read raises, from one family
(`policy.rules.errors`).
"""
