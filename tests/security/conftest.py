"""What several tests of this folder need."""

from tests.learning.conftest import brats_like, prepared

__all__ = ["brats_like", "prepared"]
