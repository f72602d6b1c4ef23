"""The tiny data of the learning room serve the scripts too."""

from tests.learning.conftest import brats_like, fresh_accelerate, prepared

__all__ = ["brats_like", "fresh_accelerate", "prepared"]
