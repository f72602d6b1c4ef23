"""Scans as others get them: a data set with a NIfTI column for each modality, its card, and its way to the Hub."""
