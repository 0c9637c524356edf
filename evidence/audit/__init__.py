"""The audit history: written entry by entry, chained, checked, exported."""
