"""Uploads to the Hub, each in one commit, of listed files alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recoseg_hf.errors import InputError
from recoseg_hf.hub.inspection import inspect_folder, inspect_run
from recoseg_hf.hub.manifest import listed_files
from recoseg_hf.hub.names import MANIFEST
from recoseg_hf.hub.run_folder import published_contents
from recoseg_hf.hub.verify import check_code
from recoseg_hf.json_files import read_json

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_MAIN = "main"


@dataclass(frozen=True)
class Pushed:
    """Where an upload can be found again.

    Attributes:
        hub_id: organisation/name.
        commit: 40 hexadecimal digits; as `revision` it always loads these very files.
        url: of the commit.
        revision: the branch.
        tag: another name of the commit, or None.
    """

    hub_id: str
    commit: str
    url: str
    revision: str
    tag: str | None = None


def push_folder(
    folder: str | Path, hub_id: str, private: bool = True, revision: str | None = None, tag: str | None = None
) -> Pushed:
    """Upload an exported folder to the Hub, in one commit, its card as it is.

    Only files that the folder's manifest lists are uploaded, after their hashes have been compared. Of the files in
    the repository those go that an earlier manifest there lists and this one does not; what others put there stays.

    Args:
        folder: that `export_model` wrote.
        hub_id: organisation/name; made where there is none.
        private: for a repository that is made; one that is there and public is refused if this is asked for.
        revision: branch; made where there is none. By default `main`.
        tag: name for the commit; one that the repository has already is refused.

    Raises:
        InputError: the folder was changed, holds other code than this installation's or what must not be published,
            or the Hub cannot be reached or refuses; the folder stays as it is.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    folder, api, branch = Path(folder), HfApi(), revision or _MAIN
    files = listed_files(folder)
    check_code(folder)
    inspect_folder(folder)
    names = {file.relative_to(folder).as_posix(): file for file in files}
    with _explained(hub_id, folder):
        _make(api, hub_id, private, "--public")
        _check_tag(api, hub_id, tag)
        if branch != _MAIN:
            api.create_branch(hub_id, branch=branch, exist_ok=True)
        operations = [CommitOperationAdd(name, str(file)) for name, file in names.items()]
        operations += [CommitOperationDelete(name) for name in _superseded(api, hub_id, branch, set(names))]
        commit = api.create_commit(hub_id, operations, commit_message="Upload an exported model", revision=branch)
        if tag:
            api.create_tag(hub_id, tag=tag, revision=commit.oid)
    return Pushed(hub_id, commit.oid, str(commit.commit_url), branch, tag)


def push_model(folder: str | Path, hub_id: str, private: bool = True) -> str:
    """Upload a trained pipeline to the Hub, in one commit.

    Its record goes without the hashes of who was trained on: names that are known elsewhere could be tried on them.
    Where the folder has no card, the site card is the repository's.

    Args:
        folder: that a training script or `save_pretrained` wrote.
        hub_id: organisation/name; made where there is none.
        private: for a repository that is made.

    Returns:
        The commit's address.

    Raises:
        InputError: what would be uploaded holds what must not be published, the Hub cannot be reached or refuses, or
            the repository is there and public though a private one was asked for; the model stays in its folder.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    folder, api = Path(folder), HfApi()
    contents = published_contents(folder)
    inspect_run(folder, contents)
    operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
    with _explained(hub_id, folder):
        _make(api, hub_id, private, "--hub_private_repo false")
        return str(api.create_commit(hub_id, operations, commit_message="Upload a trained pipeline").commit_url)


@contextmanager
def _explained(hub_id: str, folder: Path) -> Iterator[None]:
    """Turn what the Hub's client raises into an error that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    # The bases are the HTTP client's own: what it raises without an answer (no route, no name) is no HfHubHTTPError.
    except (*HfHubHTTPError.__bases__, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = f"The model stays in {folder}: check name, network and `hf auth login`, and push it again."
        raise InputError(
            hub_id, f"the upload failed ({reason})", "a repository of yours on the Hub", remedy
        ) from error


def _make(api: HfApi, hub_id: str, private: bool, option: str) -> None:
    api.create_repo(hub_id, private=private, exist_ok=True)
    if private and not api.repo_info(hub_id).private:
        remedy = f"Make it private, name another, or publish on purpose with {option}."
        raise InputError(hub_id, "it is public", "a private repository", remedy)


def _check_tag(api: HfApi, hub_id: str, tag: str | None) -> None:
    """Refuse a tag that is there before anything is uploaded: whoever pinned it expects what it was."""
    if tag and any(found.name == tag for found in api.list_repo_refs(hub_id).tags):
        raise InputError(hub_id, f"it has the tag {tag} already", "a new tag", "Choose another one.")


def _superseded(api: HfApi, hub_id: str, branch: str, names: set[str]) -> list[str]:
    """Files of the export before this one, that this one does not have: other nets' weights would be loaded along."""
    present = set(api.list_repo_files(hub_id, revision=branch))
    if MANIFEST not in present:
        return []
    manifest = api.hf_hub_download(hub_id, MANIFEST, revision=branch)
    form = {"files?": dict}
    listed = read_json(manifest, f"the {MANIFEST} of an export", f"Remove it from {hub_id}, and push again.", form)
    return sorted((set(listed.get("files", ())) - names) & present)
