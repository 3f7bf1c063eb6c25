"""A stand-in for the provider on real HTTP, with real MP4 files. It shares only `manxue.vocabulary` with the worker."""
