"""The SD2 Manxue provider: request rules, wire forms, HTTP client and errors. Knows nothing of Temporal."""
