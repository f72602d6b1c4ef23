"""A Hub on the loopback interface, in memory: what `huggingface_hub`, `diffusers`, `datasets` and `hf` ask a Hub for.

Models, datasets and spaces; create, settings, upload, commit, tree, resolve with revisions, tags, branches, delete. A
private repository is there only for those who send the token. It knows no xet, no gated repositories, no discussions.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from tests.hub.actions import (
    USER,
    change_branch,
    change_settings,
    change_tag,
    check_token,
    history,
    information,
    paths,
    references,
    resolve,
    split_revision,
    tree,
    upload_modes,
)  # fmt: skip
from tests.hub.repositories import KINDS, STORED_AS_LFS, Commit, File, Repository
from tests.hub.serving import Answer, RefusedError, Request, as_json, make_server

TOKEN = "hf_loopback"
_KIND_OF = {prefix: kind for kind, prefix in KINDS.items()}
_REPOSITORY = r"(datasets/|spaces/)?([^/]+/[^/]+)"
_LFS_BATCH = re.compile(rf"/{_REPOSITORY}\.git/info/lfs/objects/batch")
_RESOLVE = re.compile(rf"/{_REPOSITORY}/resolve/([^/]+)/(.+)")
_API = re.compile(r"/api/(model|dataset|space)s/([^/]+/[^/]+)(?:/([^/]+)(?:/(.*))?)?")


class LoopbackHub:
    """A Hub that lives as long as its `with` block.

    Attributes:
        endpoint: its address, for `HF_ENDPOINT`.
        repositories: by kind and name.
        calls: method and path of every request, in order.
        unhandled: those it did not know.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.unhandled: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._server = make_server(self.answer)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path, offline: bool = False) -> dict[str, str]:
        """Variables for a client, which must be a process of its own: they are read when huggingface_hub is imported.

        Args:
            home: folder for everything that the client keeps.
            offline: a client that may use nothing but what it kept.
        """
        kept = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "PYTHONPATH")}
        return kept | {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home / "home"),
            "HF_MODULES_CACHE": str(home / "modules"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "DIFFUSERS_VERBOSITY": "error",
            "OMP_NUM_THREADS": "1",
            "no_proxy": "127.0.0.1",
            **({"HF_HUB_OFFLINE": "1"} if offline else {}),
        }

    def model(self, name: str) -> Repository:
        """The model repository organisation/name."""
        return self.repositories["model", name]

    def put(self, name: str, files: Mapping[str, bytes], kind: str = "model", private: bool = False) -> Commit:
        """Commit files as if somebody had uploaded them; the repository is made where there is none."""
        repository = self.repositories.get((kind, name))
        if repository is None:
            repository = self.repositories[kind, name] = Repository(kind, name, private)
        added = {path: File(content, path.endswith(STORED_AS_LFS)) for path, content in files.items()}
        return repository.commit(added, (), "Put")

    def answer(self, request: Request) -> Answer:
        """Answer one request; a fault of this Hub is an error 500 with its traceback on stderr."""
        with self._lock:
            self.calls.append((request.method, request.path))
            try:
                return self._route(request)
            except RefusedError as refused:
                return refused.answer
            except Exception:
                traceback.print_exc()
                return Answer(500, traceback.format_exc().encode())

    def _route(self, request: Request) -> Answer:
        if request.token not in ("", TOKEN):
            raise RefusedError("Unauthorized", 401, "Invalid credentials in Authorization header")
        fixed = {
            "/api/whoami-v2": self._whoami,
            "/api/repos/create": self._create,
            "/api/repos/delete": self._delete,
            "/api/agent-harnesses": lambda _: Answer(404),  # `hf` wonders who runs it, and does without an answer
            "/api/validate-yaml": lambda _: as_json({"errors": [], "warnings": []}),
        }
        if request.path in fixed:
            return fixed[request.path](request)
        if request.path.startswith("/lfs/"):
            return self._upload(request)
        if match := _LFS_BATCH.fullmatch(request.path):
            self._repository(request, _KIND_OF[match[1] or ""], match[2])
            return self._lfs_batch(request)
        if match := _RESOLVE.fullmatch(request.path):
            repository = self._repository(request, _KIND_OF[match[1] or ""], match[2])
            return resolve(request, repository, unquote(match[3]), unquote(match[4]))
        if match := _API.fullmatch(request.path):
            repository = self._repository(request, match[1], match[2])
            return self._api(request, repository, match[3] or "", unquote(match[4] or ""))
        raise self._unknown(request)

    def _unknown(self, request: Request) -> RefusedError:
        self.unhandled.append((request.method, request.path))
        print(f"loopback Hub: unhandled {request.method} {request.path}", file=sys.stderr)
        return RefusedError("NotHandled")

    def _repository(self, request: Request, kind: str, name: str) -> Repository:
        found = self.repositories.get((kind, name))
        if found is None or (found.private and not request.token):
            raise RefusedError("RepoNotFound", 404 if request.token else 401, "Repository not found")
        return found

    def _whoami(self, request: Request) -> Answer:
        check_token(request)
        role = {"accessToken": {"displayName": "loopback", "role": "write"}, "type": "access_token"}
        return as_json({"type": "user", "name": USER, "fullname": USER, "orgs": [{"name": "org"}], "auth": role})

    def _create(self, request: Request) -> Answer:
        check_token(request)
        asked = request.json()
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or USER}/{asked['name']}"
        url = f"{self.endpoint}/{KINDS[kind]}{name}"
        if (kind, name) in self.repositories:
            return as_json({"error": "You already created this repo", "url": url}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        settings = {key: asked[key] for key in ("sdk",) if key in asked}
        self.repositories[kind, name] = Repository(kind, name, private, settings)
        return as_json({"url": url, "id": name})

    def _delete(self, request: Request) -> Answer:
        check_token(request)
        asked = request.json()
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or USER}/{asked['name']}"
        self._repository(request, kind, name)
        del self.repositories[kind, name]
        return as_json({})

    def _lfs_batch(self, request: Request) -> Answer:
        objects = []
        for asked in request.json()["objects"]:
            entry = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.uploads:
                entry["actions"] = {"upload": {"href": f"{self.endpoint}/lfs/{asked['oid']}", "header": {}}}
            objects.append(entry)
        return as_json({"transfer": "basic", "objects": objects})

    def _upload(self, request: Request) -> Answer:
        oid = request.path.rpartition("/")[2]
        if File(request.body).sha256 != oid:
            raise RefusedError("BadDigest", 400, "the content is not that of its SHA-256")
        self.uploads[oid] = request.body
        return Answer()

    def _api(self, request: Request, repository: Repository, action: str, rest: str) -> Answer:
        reading = {
            "": lambda: information(repository, "main"),
            "revision": lambda: information(repository, rest),
            "tree": lambda: tree(request, repository, *split_revision(repository, rest)),
            "paths-info": lambda: paths(request, repository, rest),
            "refs": lambda: references(repository),
            "commits": lambda: history(repository, rest),
            "auth-check": lambda: as_json({}),
        }
        writing = {
            "preupload": lambda: upload_modes(request, repository, rest),
            "commit": lambda: self._commit(request, repository, rest),
            "settings": lambda: change_settings(request, repository),
            "tag": lambda: change_tag(request, repository, rest),
            "branch": lambda: change_branch(request, repository, rest),
        }
        if action in reading:
            return reading[action]()
        if action in writing:
            check_token(request)
            return writing[action]()
        raise self._unknown(request)

    def _commit(self, request: Request, repository: Repository, branch: str) -> Answer:
        if branch not in repository.branches:
            raise RefusedError("RevisionNotFound", 404, f"no branch {branch}")
        added, deleted, header = {}, [], {}
        for line in request.body.splitlines():
            item = json.loads(line)
            key, value = item["key"], item["value"]
            if key == "header":
                header = value
            elif key == "file":
                added[value["path"]] = File(base64.b64decode(value["content"]))
            elif key == "lfsFile":
                added[value["path"]] = File(self.uploads[value["oid"]], lfs=True)
            else:
                deleted.append(value["path"])
        if header.get("parentCommit") not in (None, repository.branches[branch]):
            raise RefusedError("Conflict", 412, "A commit has happened since. Please refresh and try again.")
        commit = repository.commit(added, deleted, header["summary"], branch)
        url = f"{self.endpoint}/{KINDS[repository.kind]}{repository.name}/commit/{commit.identifier}"
        return as_json({"success": True, "commitOid": commit.identifier, "commitUrl": url})
