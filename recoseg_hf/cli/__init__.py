"""The command `recoseg`: each file is one command; `app` puts them together and sets the exit codes."""

from recoseg_hf.cli.app import app, main

__all__ = ["app", "main"]
