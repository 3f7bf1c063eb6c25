"""How long tests wait for what must come."""

PATIENCE = 180.0
"""Seconds. It measures nothing: it ends a test that would wait for ever, on a machine that others keep busy too."""
