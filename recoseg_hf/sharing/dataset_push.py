"""A data set's way to the Hub: built beside, looked through, and uploaded in one commit."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.sources import CaseSource
from recoseg_hf.sharing.dataset_card import render_dataset_card, write_dataset_card
from recoseg_hf.sharing.dataset_files import SPLIT_NAMES, write_dataset_files
from recoseg_hf.sharing.measuring import Progress

_CARD = "README.md"


def push_dataset(
    source: CaseSource,
    hub_id: str,
    license_name: str,
    *,
    split: str | Path | None = None,
    title: str | None = None,
    brats: bool | None = None,
    may_publish: bool = False,
    private: bool = True,
    renumber: bool = False,
    progress: Progress | None = None,
) -> str:
    """Publish cases as a data set with a NIfTI column for each modality, and its card.

    They are first written to a temporary folder, which needs as much room as the data set. Of the repository, files of
    an earlier upload go that this one does not have, from all splits; its history keeps them.

    Args:
        source: from `open_source`.
        hub_id: organisation/name; made where there is none.
        license_name, title, brats: as for `render_dataset_card`.
        split, may_publish, renumber, progress: as for `write_dataset_files`.
        private: for a repository that is made; one that is there and public is refused if this is asked for.

    Returns:
        The commit's address.

    Raises:
        InputError: a scan may not be published or cannot be read, or the Hub cannot be reached or refuses.
    """
    with TemporaryDirectory(prefix="recoseg-") as temporary:
        folder = Path(temporary)
        measure = write_dataset_files(source, folder, split, may_publish, renumber, progress)
        options = {"title": title} if title else {}
        card = render_dataset_card(measure, license_name, brats=brats, rewritten=True, **options)
        write_dataset_card(folder / _CARD, card)
        return _upload(folder, hub_id, private)


def _upload(folder: Path, hub_id: str, private: bool) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi()
    try:
        api.create_repo(hub_id, repo_type="dataset", private=private, exist_ok=True)
        if private and not api.repo_info(hub_id, repo_type="dataset").private:
            remedy = "Make it private, name another, or publish on purpose with --public."
            raise InputError(hub_id, "it is public", "a private repository", remedy)
        commit = api.upload_folder(
            repo_id=hub_id, repo_type="dataset", folder_path=folder, commit_message="Upload a data set of scans",
            delete_patterns=[f"{name}/*" for name in SPLIT_NAMES],
        )  # fmt: skip
        return str(commit.commit_url)
    # The bases are the HTTP client's own: what it raises without an answer (no route, no name) is no HfHubHTTPError.
    except (*HfHubHTTPError.__bases__, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remedy = "Check name, network and `hf auth login`, and push again."
        raise InputError(hub_id, f"the upload failed ({reason})", "a repository of yours", remedy) from error
