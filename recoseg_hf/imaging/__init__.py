"""Volumes, cases and simulated scans: everything between files on disk and arrays in RAS at 1 mm."""
