"""All targets, in the order in which they take turns."""

from tests.fuzz.targets import documents, imaging

TARGETS = (*imaging.TARGETS, *documents.TARGETS)
