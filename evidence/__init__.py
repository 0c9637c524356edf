"""Evidence, and the ground that all apps stand on.

Evidence itself: documents read and verified (`format`), made for practice
(`simulation`), kept (`storage`), received, verified, shown and exported (`models`,
`services`, `admin`, `api`).

What policy and incidents use as well, since `evidence` is the lowest app: people,
tokens and permissions (`accounts`), the audit history (`audit`), queued work (`queue`),
the base of the API (`api.base`), and the pages' shared pieces (`admin`, `templatetags`,
`static`).
"""
