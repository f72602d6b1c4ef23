"""What a small Hub does with one repository: read it, tell about it, change its settings, tags and branches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from tests.hub.repositories import STORED_AS_LFS, Commit, File, Repository
from tests.hub.serving import Answer, RefusedError, Request, as_json

USER = "tester"
MOMENT = "2026-01-01T00:00:00.000Z"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def check_token(request: Request) -> None:
    if not request.token:
        raise RefusedError("Unauthorized", 401, "Invalid username or password.")


def _commit_at(repository: Repository, revision: str) -> Commit:
    commit = repository.at(revision)
    if commit is None:
        raise RefusedError("RevisionNotFound", 404, f"Invalid rev id: {revision}")
    return commit


def split_revision(repository: Repository, rest: str) -> tuple[str, str]:
    """Part a revision, which may hold a slash, from the path behind it."""
    named = [name for name in (*repository.branches, *repository.tags) if rest == name or rest.startswith(f"{name}/")]
    revision = max(named, key=len, default=rest.partition("/")[0])
    return revision, rest[len(revision) + 1 :]


def resolve(request: Request, repository: Repository, revision: str, path: str) -> Answer:
    commit = _commit_at(repository, revision)
    file = commit.files.get(path)
    if file is None:
        refused = RefusedError("EntryNotFound", 404, "Entry not found")
        refused.answer.headers["X-Repo-Commit"] = commit.identifier
        raise refused
    headers = {"X-Repo-Commit": commit.identifier, "Accept-Ranges": "bytes", "ETag": f'"{file.tag}"'}
    if file.lfs:
        headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(file.content))}
    part = _RANGE.fullmatch(request.range or "")
    if part is None or request.method == "HEAD":
        return Answer(200, file.content, headers)
    first, last = int(part[1]), int(part[2] or len(file.content) - 1)
    content = file.content[first : last + 1]
    headers["Content-Range"] = f"bytes {first}-{first + len(content) - 1}/{len(file.content)}"
    return Answer(206, content, headers)


def information(repository: Repository, revision: str) -> Answer:
    commit = _commit_at(repository, revision)
    files = [{"rfilename": path} for path in sorted(commit.files)]
    return as_json(
        {
            "_id": "0", "id": repository.name, "modelId": repository.name, "author": repository.name.split("/")[0],
            "sha": commit.identifier, "private": repository.private, "gated": False, "disabled": False,
            "downloads": 0, "likes": 0, "tags": [], "lastModified": MOMENT, "createdAt": MOMENT, "siblings": files,
        } | dict(repository.settings)
    )  # fmt: skip


def _entry(path: str, file: File) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(file.content), "oid": file.git_id}
    if file.lfs:
        entry["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": 130}
    return entry


def tree(request: Request, repository: Repository, revision: str, folder: str) -> Answer:
    files, prefix = _commit_at(repository, revision).files, f"{folder}/" if folder else ""
    inside = {path: file for path, file in sorted(files.items()) if path.startswith(prefix)}
    if not inside:  # `datasets` looks into folders that may be missing
        raise RefusedError("EntryNotFound", 404, "Entry not found")
    deep = request.query.get("recursive", [""])[0].lower() in ("true", "1")
    shown = [_entry(path, file) for path, file in inside.items() if deep or "/" not in path[len(prefix) :]]
    parents = {parent.as_posix() for path in inside for parent in PurePosixPath(path[len(prefix) :]).parents} - {"."}
    folders = sorted(name for name in parents if deep or "/" not in name)
    listed = [{"type": "directory", "path": prefix + name, "oid": "0" * 40, "size": 0} for name in folders]
    return as_json(listed + shown)


def paths(request: Request, repository: Repository, revision: str) -> Answer:
    files = _commit_at(repository, revision).files
    return as_json([_entry(path, files[path]) for path in request.json()["paths"] if path in files])


def references(repository: Repository) -> Answer:
    def listed(names: Mapping[str, str], where: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": f"refs/{where}/{name}", "targetCommit": to} for name, to in names.items()]

    branches, tags = listed(repository.branches, "heads"), listed(repository.tags, "tags")
    return as_json({"branches": branches, "tags": tags, "converts": []})


def history(repository: Repository, revision: str) -> Answer:
    _commit_at(repository, revision)
    return as_json(
        [
            {"id": commit.identifier, "title": commit.message, "message": "", "authors": [{"user": USER}],
             "date": MOMENT}
            for commit in repository.history(revision)
        ]
    )  # fmt: skip


def upload_modes(request: Request, repository: Repository, revision: str) -> Answer:
    present, files = _commit_at(repository, revision).files, []
    for asked in request.json()["files"]:
        path = asked["path"]
        mode, there = "lfs" if path.endswith(STORED_AS_LFS) else "regular", present.get(path)
        oid = there.tag if there else None
        files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return as_json({"files": files})


def change_settings(request: Request, repository: Repository) -> Answer:
    asked = request.json()
    if "visibility" in asked or "private" in asked:
        repository.private = asked.get("visibility") == "private" or bool(asked.get("private"))
    return as_json({})


def change_tag(request: Request, repository: Repository, name: str) -> Answer:
    if request.method == "DELETE":
        if repository.tags.pop(name, None) is None:
            raise RefusedError("RevisionNotFound", 404, f"no tag {name}")
        return as_json({})
    tag = request.json()["tag"]
    if tag in repository.tags:
        raise RefusedError("Conflict", 409, f"Tag reference exists already: {tag}")
    repository.tags[tag] = _commit_at(repository, name).identifier
    return as_json({})


def change_branch(request: Request, repository: Repository, name: str) -> Answer:
    if request.method == "DELETE":
        if repository.branches.pop(name, None) is None:
            raise RefusedError("RevisionNotFound", 404, f"no branch {name}")
        return as_json({})
    if name in repository.branches:
        raise RefusedError("Conflict", 409, f"Reference already exists: {name}")
    start = request.json().get("startingPoint", "main") if request.body else "main"
    repository.branches[name] = _commit_at(repository, start).identifier
    return as_json({})
