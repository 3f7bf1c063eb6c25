"""Examples at the end of a command's help."""


def examples(*lines: str) -> str:
    """An epilog; each line is one command."""
    return "Examples:\n\n" + "\n\n".join(lines)
