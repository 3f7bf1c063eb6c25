"""What starts and watches runs: the command line, the client behind it, and the local stack. No worker code."""
