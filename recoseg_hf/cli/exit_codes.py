"""What the command exits with, beside 0 for done and 2 for wrong usage."""

EXIT_BAD_INPUT = 3
EXIT_DIVERGED = 4  # a training's loss is not finite
EXIT_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
