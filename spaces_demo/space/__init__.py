"""The parts of the Space; what they compute is the library's."""
