"""Screenshots of the real Temporal Web UI for docs/web-ui.md."""
