"""All targets, in the order in which they take turns."""

from tests.fuzz.targets import commands, documents, imaging, space

TARGETS = (*imaging.TARGETS, *documents.TARGETS, *commands.TARGETS, *space.TARGETS)
