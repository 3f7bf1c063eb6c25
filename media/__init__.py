"""Bytes: fetching, checking and storing them. Knows nothing of Temporal or the provider."""
