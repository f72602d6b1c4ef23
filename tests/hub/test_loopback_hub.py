"""The loopback Hub does what a client expects of a Hub: the other tests of this folder rest on it."""

import pytest

from tests.hub.clients import run_client
from tests.hub.loopback_hub import TOKEN, USER

CLIENT = """
import json, os
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError,
)

api, found = HfApi(), {}

def error_of(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except Exception as error:
        return type(error).__name__
    return None

folder = Path("folder")
(folder / "part").mkdir(parents=True)
(folder / "note.txt").write_text("first")
(folder / "empty.txt").write_text("")
(folder / "part" / "net.safetensors").write_bytes(bytes(range(256)) * 40)
found["user"] = api.whoami()["name"]
for kind in ("model", "dataset", "space"):
    extra = {"space_sdk": "gradio"} if kind == "space" else {}
    api.create_repo("org/things", repo_type=kind, **extra)
    found["twice " + kind] = error_of(api.create_repo, "org/things", repo_type=kind, **extra)
    api.upload_folder(repo_id="org/things", folder_path=folder, repo_type=kind)
    found["files " + kind] = sorted(api.list_repo_files("org/things", repo_type=kind))
    got = Path(snapshot_download("org/things", repo_type=kind))
    found["same " + kind] = all(
        (got / file.relative_to(folder)).read_bytes() == file.read_bytes()
        for file in folder.rglob("*") if file.is_file()
    )
first = api.repo_info("org/things").sha
api.create_tag("org/things", tag="v1")
api.create_branch("org/things", branch="next/one")
api.upload_file(path_or_fileobj=b"second", path_in_repo="note.txt", repo_id="org/things", revision="next/one")
api.delete_file("part/net.safetensors", "org/things")
found["revisions"] = {
    revision: Path(hf_hub_download("org/things", "note.txt", revision=revision)).read_text()
    for revision in ("main", "v1", "next/one", first)
}
found["deleted"] = error_of(hf_hub_download, "org/things", "part/net.safetensors")
found["still in v1"] = Path(hf_hub_download("org/things", "part/net.safetensors", revision="v1")).stat().st_size
found["no revision"] = error_of(hf_hub_download, "org/things", "note.txt", revision="v2")
found["no repository"] = error_of(api.model_info, "org/none")
found["commits"] = [commit.title for commit in api.list_repo_commits("org/things")]
references = api.list_repo_refs("org/things")
found["references"] = [[ref.name for ref in kind] for kind in (references.branches, references.tags)]
found["tree"] = sorted((type(entry).__name__, entry.path) for entry in api.list_repo_tree("org/things", revision="v1"))
found["no folder"] = error_of(lambda: list(api.list_repo_tree("org/things", path_in_repo="part")))
found["old parent"] = error_of(
    api.upload_file, path_or_fileobj=b"", path_in_repo="late.txt", repo_id="org/things", parent_commit=first
)
api.create_repo("org/secret", private=True)
found["secret"] = [api.repo_info("org/secret").private, error_of(api.model_info, "org/secret", token=False)]
api.update_repo_settings("org/secret", private=False)
found["told"] = api.model_info("org/secret", token=False).private
found["no token"] = error_of(api.upload_file, path_or_fileobj=b"", path_in_repo="a", repo_id="org/secret", token=False)
found["wrong token"] = error_of(api.model_info, "org/secret", token="hf_wrong")
api.delete_repo("org/secret")
found["gone"] = error_of(api.model_info, "org/secret")
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(loopback_hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    return run_client(CLIENT, loopback_hub.environment(folder), folder, package=False)


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_what_was_uploaded_comes_back_byte_for_byte(found, kind):
    assert found[f"files {kind}"] == [".gitattributes", "empty.txt", "note.txt", "part/net.safetensors"]
    assert found[f"same {kind}"]
    assert found[f"twice {kind}"] == "HfHubHTTPError"


def test_revisions_are_kept_apart(found, loopback_hub):
    revisions = found["revisions"]
    first = loopback_hub.model("org/things").tags["v1"]
    assert revisions == {"main": "first", "v1": "first", "next/one": "second", first: "first"}
    assert found["deleted"] == "RemoteEntryNotFoundError"
    assert found["still in v1"] == 256 * 40
    assert found["no revision"] == "RevisionNotFoundError"
    assert found["references"] == [["main", "next/one"], ["v1"]]
    assert len(found["commits"]) == 3
    assert found["old parent"] == "HfHubHTTPError"


def test_folders_are_listed_one_level_deep(found):
    assert found["tree"] == [
        ["RepoFile", ".gitattributes"], ["RepoFile", "empty.txt"], ["RepoFile", "note.txt"], ["RepoFolder", "part"],
    ]  # fmt: skip
    assert found["no folder"] == "RemoteEntryNotFoundError"


def test_a_private_repository_is_for_those_with_the_token(found):
    assert found["user"] == USER
    assert found["secret"] == [True, "RepositoryNotFoundError"]
    assert found["told"] is False
    assert found["no token"] in ("HfHubHTTPError", "RepositoryNotFoundError")
    assert found["wrong token"] == "HfHubHTTPError"
    assert found["gone"] == found["no repository"] == "RepositoryNotFoundError"


def test_a_clients_environment_names_this_hub_and_is_online(loopback_hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    environment = loopback_hub.environment(tmp_path)
    assert environment["HF_ENDPOINT"].startswith("http://127.0.0.1:")
    assert environment["HF_TOKEN"] == TOKEN
    assert "HF_HUB_OFFLINE" not in environment
    assert loopback_hub.environment(tmp_path, offline=True)["HF_HUB_OFFLINE"] == "1"
