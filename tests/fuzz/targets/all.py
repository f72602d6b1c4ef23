"""All targets, in the order in which they take turns."""

from tests.fuzz.targets import commands, documents, imaging, names, space

TARGETS = (*imaging.TARGETS, *names.TARGETS, *documents.TARGETS, *commands.TARGETS, *space.TARGETS)
