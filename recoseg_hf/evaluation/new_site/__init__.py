"""What a fine-tuning on a site's own subjects brought, and a card that says so without naming anybody.

`measurement` measures two models on the same subjects, `fingerprint` describes the data, `warnings` says what a
reader must know first, `card` puts them together. `study`, its `points` and its `figure` are the same over rotations.
"""
