"""The tiny data of the learning room serve the measurements too."""

from tests.learning.conftest import brats_like, prepared

__all__ = ["brats_like", "prepared"]
