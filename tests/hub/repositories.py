"""What a Hub keeps: repositories, each with its commits, branches and tags, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

KINDS = {"model": "", "dataset": "datasets/", "space": "spaces/"}
"""Kinds of repository, and what stands before their name in an address."""

STORED_AS_LFS = (".safetensors", ".bin", ".pkl", ".gz", ".parquet", ".arrow", ".png")


@dataclass(frozen=True)
class File:
    """A file of a commit.

    Attributes:
        content: its bytes.
        lfs: whether git would hold a pointer to it only.
    """

    content: bytes
    lfs: bool = False

    @property
    def git_id(self) -> str:
        """SHA-1 of the file as a git blob."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def tag(self) -> str:
        """What the Hub tells an unchanged file by: the SHA-256 of an LFS file, else the git blob's id."""
        return self.sha256 if self.lfs else self.git_id


@dataclass(frozen=True)
class Commit:
    """Everything that a repository holds at one time, by path."""

    identifier: str
    message: str
    files: Mapping[str, File]
    parent: str | None


@dataclass
class Repository:
    """A repository of the Hub.

    Attributes:
        kind: `model`, `dataset` or `space`.
        name: organisation/name.
        private: whether it is there only for those with a token.
        settings: what it was made with, such as the `sdk` of a space.
    """

    kind: str
    name: str
    private: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit({".gitattributes": File(b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n")}, (), "Start")

    def commit(self, added: Mapping[str, File], deleted: Iterable[str], message: str, branch: str = "main") -> Commit:
        """Add a commit to a branch; a deleted path may be a folder."""
        parent = self.branches.get(branch)
        files = dict(self.commits[parent].files) if parent else {}
        for path in deleted:
            for file in [name for name in files if name == path or name.startswith(path.rstrip("/") + "/")]:
                del files[file]
        files |= added
        seed = f"{self.kind} {self.name} {len(self.commits)} {message} {sorted(files)}"
        identifier = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[identifier] = Commit(identifier, message, files, parent)
        self.branches[branch] = identifier
        return self.commits[identifier]

    def at(self, revision: str = "main") -> Commit | None:
        """Return the commit of a branch, a tag or a commit's own identifier."""
        identifier = self.branches.get(revision) or self.tags.get(revision) or revision
        return self.commits.get(identifier)

    def history(self, revision: str = "main") -> list[Commit]:
        """Return a revision's commits, the newest first."""
        found, commit = [], self.at(revision)
        while commit:
            found.append(commit)
            commit = self.commits.get(commit.parent) if commit.parent else None
        return found
