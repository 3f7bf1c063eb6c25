"""Many generations through a provider in chaos, while workers and the Temporal server are killed at random.

`make soak` runs it at length; a short form is among the system tests.
"""
