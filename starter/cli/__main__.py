"""`python -m starter.cli`, for images that do not install the project."""

from starter.cli import main

main()
