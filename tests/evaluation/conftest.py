"""The tiny cases of the learning room serve here too."""

from tests.learning.conftest import brats_like

__all__ = ["brats_like"]
