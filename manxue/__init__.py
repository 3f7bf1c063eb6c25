"""The SD2 Manxue provider: request rules, wire forms, HTTP client and errors. Knows nothing of Temporal."""

__version__ = "0.1.0"
"""Of the whole project; the package's own version is read from here."""
