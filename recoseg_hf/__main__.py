"""`python -m recoseg_hf` is the command `recoseg`, for launchers that take a module."""

from recoseg_hf.cli import main

if __name__ == "__main__":
    main()
