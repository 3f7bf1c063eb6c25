"""Real parts for the tests: a Temporal server, worker processes, and a provider that does as it is told."""
