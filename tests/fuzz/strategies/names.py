"""Names of files and folders, in the manner of BraTS and BIDS and otherwise; tables that name files."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fuzz.strategies.values import texts

_FOLDERS = (
    "sub-01", "sub-01/ses-01", "sub-01/anat", "sub-01/ses-01/anat", "SUB-01", "sub-", "derivatives", "sourcedata",
    "derivatives/sub-01/anat", "derivatives/brats/sub-01/anat", "Brats18_X_1", "HGG/Brats18_X_1", ".hidden", "a b",
    "é", "x" * 200, "..sub", "CON", "日本", "sub-01_ses-01",
)  # fmt: skip
_ENDINGS = (
    "flair", "t1", "t2", "t1ce", "seg", "FLAIR", "T1w", "T2w", "ce-gd_T1w", "t1n", "t2f", "t1c", "t1gd", "dseg",
    "mask", "label-tumour_dseg", "desc-synth_t1ce", "", "report",
)  # fmt: skip
_SUFFIXES = (".nii", ".nii", ".nii.gz", ".NII.GZ", ".nii.nii", ".json", "", ".nii.gz.part")

_words = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12)
_stems = st.sampled_from(("sub-01", "sub-01_ses-01", "Brats18_X_1", "-", "_", "", "..")) | _words
_names = st.builds(
    lambda stem, joint, ending, suffix: f"{stem}{joint}{ending}{suffix}",
    _stems, st.sampled_from(("_", "-", "", "__")), st.sampled_from(_ENDINGS) | _words, st.sampled_from(_SUFFIXES),
)  # fmt: skip


@st.composite
def trees(draw: st.DrawFn) -> list[str]:
    """Paths of files in a folder of cases: often a whole case, and others of any name."""
    folders = st.sampled_from(_FOLDERS) | _words
    paths = draw(st.lists(st.tuples(folders, _names).map("/".join), max_size=5))
    folder, stem = draw(folders), draw(_stems)
    for endings in (("flair", "FLAIR", "t2f"), ("t1", "T1w", "t1n"), ("t2", "T2w")):
        if draw(st.integers(0, 7)):
            paths.append(
                f"{folder}/{stem}_{draw(st.sampled_from(endings))}{draw(st.sampled_from(('.nii', '.nii.gz')))}"
            )
    return draw(st.permutations(paths))


identifiers = texts | st.text(max_size=80)

_CELLS = st.none() | st.binary(max_size=64) | texts | st.integers(-3, 3)
_cell = st.fixed_dictionaries({"bytes": st.none() | st.just(b"good") | _CELLS, "path": _CELLS})
cells = st.fixed_dictionaries(
    {"flair": _cell, "t1": _cell, "t2": _cell},
    optional={"t1ce": st.just({"bytes": b"good", "path": None})},
)  # fmt: skip
"""Cells of a row by modality, as `datasets` gives them."""
