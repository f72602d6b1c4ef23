"""The Space under many clients at once, on the loopback interface: what they got, how long it took, what it held.

    python benchmarks/load_space.py --clients 20 --minutes 10 --output benchmarks/results/space_load.json

Clients send slabs of the simulated case, ask for the whole of it, move the threshold, send files that cannot be used,
and leave without waiting for their answer. An answer counts as right if its mask and probability are, byte for byte,
those that the same request got when it was alone. A picture of memory and answers goes beside the JSON. Needs the
`dev` extra; on an idle machine, since clients and Space share it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from gradio_client import Client, handle_file

from recoseg_hf import read_volume
from recoseg_hf.evaluation.canvas import STYLES, chart
from recoseg_hf.files import write_json
from recoseg_hf.imaging.volume import Volume, write_volume

HERE = Path(__file__).resolve().parents[1]
APP, EXAMPLE = HERE / "spaces_demo" / "app.py", HERE / "spaces_demo" / "example"
SCANS = ("flair", "t1", "t2", "t1ce")
SLABS = {"low": slice(62, 72), "high": slice(84, 96)}
THRESHOLDS = (0.3, 0.7)
POLITE = re.compile(r"queue is full|There is no result to work on", re.IGNORECASE)
TIME_TO_LIVE = 120  # seconds; 1800 where the Space is published, which is long to wait for
SECONDS_BETWEEN_SAMPLES = 5
ACTS = {"slab": 10, "example": 1, "bad": 4, "setting": 2, "leave": 2}


@dataclass
class Served:
    """The running Space and where it keeps files."""

    url: str
    process: int
    folder: Path

    def megabytes(self, what: str = "VmRSS") -> float:
        lines = Path(f"/proc/{self.process}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))

    def waiting(self) -> int | None:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}gradio_api/queue/status", timeout=20).json()["queue_size"]
        return None

    def files(self) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):  # deleted while we look
            return [path for path in self.folder.rglob("*") if path.is_file()]
        return self.files()


@dataclass
class Log:
    """What happened, told by many threads."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, float]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, act: str, outcome: str, seconds: float, message: str = "") -> None:
        with self.lock:
            at = round(time.monotonic() - self.started, 2)
            row = {"act": act, "outcome": outcome, "seconds": round(seconds, 3), "at": at}
            self.rows.append(row | ({"message": message[:200]} if message else {}))


@contextlib.contextmanager
def served() -> Iterator[Served]:
    """Start the Space with a folder of its own for everything temporary."""
    with tempfile.TemporaryDirectory(prefix="load-") as name, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        environment = os.environ | {
            "GRADIO_SERVER_PORT": str(port), "TMPDIR": name, "GRADIO_TEMP_DIR": f"{name}/gradio",
            "RECOSEG_TIME_TO_LIVE": str(TIME_TO_LIVE), "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, str(APP)], env=environment)
        try:
            url = f"http://127.0.0.1:{port}/"
            for _ in range(1200):
                with contextlib.suppress(httpx.HTTPError):
                    httpx.get(url, timeout=5).raise_for_status()
                    break
                if process.poll() is not None:
                    raise RuntimeError("the Space did not start; its own words are above")
                time.sleep(0.5)
            yield Served(url, process.pid, Path(name))
        finally:
            process.terminate()
            process.wait(timeout=120)


def write_inputs(folder: Path) -> tuple[dict[str, list[Path]], list[tuple[Path, str]]]:
    """Write slabs of the simulated case, and files that cannot be used with what is said about them."""
    slabs: dict[str, list[Path]] = {}
    for name, part in SLABS.items():
        for scan in SCANS:
            volume = read_volume(EXAMPLE / f"simulated-0_{scan}.nii.gz")
            file = folder / f"{name}_{scan}.nii.gz"
            write_volume(file, Volume(np.ascontiguousarray(volume.data[:, :, part]), volume.affine))
            slabs.setdefault(name, []).append(file)
    contents = {
        "page": (b"<html>login</html>", "FLAIR file: it is a web page"),
        "dicom": (b"\0" * 128 + b"DICM" + b"\0" * 200, "FLAIR file: it is a DICOM file"),
        "broken": (slabs["low"][0].read_bytes()[:9000], "FLAIR file: its compressed data is broken|it ends after"),
        "empty": (b"", "FLAIR file: the file is empty"),
    }
    for name, (content, _) in contents.items():
        (folder / f"{name}.nii.gz").write_bytes(content)
    return slabs, [(folder / f"{name}.nii.gz", said) for name, (_, said) in contents.items()]


def fingerprint(answer: tuple[dict, list[str]]) -> str:
    """Hash of an answer's mask and probability, as they were downloaded; these go."""
    _, files = answer
    digest = hashlib.sha256()
    for file in sorted(map(Path, files)):
        if file.name.endswith(("_mask.nii.gz", "_probability.nii.gz")):
            digest.update(file.read_bytes())
        file.unlink()
    return digest.hexdigest()


class Visitor:
    """One client after another in one thread, each with a session of its own.

    Args:
        space: that is visited.
        inputs: of `write_inputs`.
        expected: fingerprint by request, of `alone`.
        log: for what happens.
        seed: of its choices.
    """

    def __init__(self, space: Served, inputs: Any, expected: dict[str, str], log: Log, seed: int) -> None:
        self.space, self.expected, self.log = space, expected, log
        (self.slabs, self.unusable), self.dice = inputs, random.Random(seed)
        self.folder = tempfile.TemporaryDirectory(prefix="visitor-")
        self.connect()

    def connect(self) -> None:
        self.client = Client(self.space.url, verbose=False, download_files=self.folder.name)

    def come_again(self) -> None:
        """Close the session and open another one."""
        started = time.monotonic()
        self.client.close()
        try:
            self.connect()
        except Exception as error:
            self.log.add("connect", "error", time.monotonic() - started, f"{type(error).__name__}: {error}")

    def visit(self, until: float) -> None:
        """Go on until the time is over."""
        while time.monotonic() < until:
            act = self.dice.choices(list(ACTS), list(ACTS.values()))[0]
            getattr(self, act)()
            time.sleep(self.dice.uniform(0, 2))
            if self.dice.random() < 0.1:
                self.come_again()
        self.client.close()
        self.folder.cleanup()

    def slab(self) -> None:
        name, seed = self.dice.choice(list(SLABS)), self.dice.choice((0, 1))
        answered = self.ask("slab", f"{name} {seed}", lambda: self.segment(self.slabs[name], seed))
        if answered and self.dice.random() < 0.5:
            threshold = self.dice.choice(THRESHOLDS)
            self.ask("threshold", f"{name} {seed} {threshold}", lambda: self.move(threshold))

    def example(self) -> None:
        self.ask("example", "example", lambda: self.client.predict(2, 0, api_name="/example"))

    def bad(self) -> None:
        file, said = self.dice.choice(self.unusable)
        self.ask("bad", re.compile(said), lambda: self.segment([file, *self.slabs["low"][1:]], 0))

    def setting(self) -> None:
        said = re.compile("^Denoising steps: '999' was given")
        self.ask("setting", said, lambda: self.segment(self.slabs["low"], 0, 999))

    def leave(self) -> None:
        """Upload, ask, and be gone before there is an answer."""
        started, outcome = time.monotonic(), "left"
        with contextlib.suppress(httpx.HTTPError), httpx.Client(base_url=self.space.url, timeout=60) as browser:
            files = [("files", (file.name, file.read_bytes())) for file in self.slabs["low"]]
            paths = browser.post("gradio_api/upload", files=files).json()
            data = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
            asked = browser.post("gradio_api/call/segment", json={"data": [*data, 2, 0, "none"]})
            event = None if asked.is_error else asked.json().get("event_id")
            if event is None:
                outcome = "refused" if POLITE.search(asked.text) else "error"
            elif self.dice.random() < 0.5:
                browser.get(f"gradio_api/call/segment/{event}", timeout=self.dice.uniform(0.1, 2))
        self.log.add("leave", outcome, time.monotonic() - started, asked.text if outcome == "error" else "")

    def segment(self, files: list[Path], seed: int, steps: int = 2) -> Any:
        return self.client.predict(*map(handle_file, map(str, files)), steps, seed, "none", api_name="/segment")

    def move(self, threshold: float) -> Any:
        return self.client.predict(threshold, api_name="/mask_at_threshold")

    def ask(self, act: str, expected: str | re.Pattern, request: Callable[[], Any]) -> bool:
        """Ask and compare; says whether there was an answer that was right."""
        started, message = time.monotonic(), ""
        try:
            found = fingerprint(request())
            outcome = "right" if found == self.expected.get(expected) else "wrong"
        except Exception as error:  # whatever a client may meet is what is to be counted
            message = f"{type(error).__name__}: {error}"
            told = isinstance(expected, re.Pattern) and expected.search(str(error))
            outcome = "told" if told else "refused" if POLITE.search(str(error)) else "error"
        self.log.add(act, outcome, time.monotonic() - started, message if outcome in ("wrong", "error") else "")
        return outcome == "right"


def alone(space: Served, inputs: Any) -> dict[str, str]:
    """Make every request once with nobody else there; the fingerprints of the answers."""
    visitor, found = Visitor(space, inputs, {}, Log(), 0), {}
    for name in SLABS:
        for seed in (0, 1):
            found[f"{name} {seed}"] = fingerprint(visitor.segment(visitor.slabs[name], seed))
            for threshold in THRESHOLDS:
                found[f"{name} {seed} {threshold}"] = fingerprint(visitor.move(threshold))
    found["example"] = fingerprint(visitor.client.predict(2, 0, api_name="/example"))
    visitor.client.close()
    visitor.folder.cleanup()
    return found


def watch(space: Served, log: Log, over: threading.Event) -> None:
    """Note memory, queue, files and answers every few seconds."""
    while not over.wait(SECONDS_BETWEEN_SAMPLES):
        sample = {"megabytes": round(space.megabytes()), "waiting": space.waiting(), "files": len(space.files())}
        answers = sum(row["outcome"] == "right" for row in log.rows)
        log.samples.append({"at": round(time.monotonic() - log.started), **sample, "answers": answers})


def settle(space: Served, before: int) -> dict[str, Any]:
    """Wait until what was temporary is gone, for four times as long as it may live at most."""
    ends = time.monotonic() + 4 * TIME_TO_LIVE
    while time.monotonic() < ends and len(space.files()) > before:
        time.sleep(2)
    left = space.files()[:10]
    return {
        "files_left": max(0, len(space.files()) - before),
        "examples": [file.relative_to(space.folder).as_posix() for file in left],
        "megabytes_after": round(space.megabytes()),
    }


def load(clients: int, minutes: float) -> dict[str, Any]:
    """Let clients loose on the Space; what came of it."""
    with served() as space, tempfile.TemporaryDirectory(prefix="inputs-") as folder:
        inputs, at_rest = write_inputs(Path(folder)), len(space.files())
        expected = alone(space, inputs)
        idle, log, over = round(space.megabytes()), Log(), threading.Event()
        until = time.monotonic() + 60 * minutes
        visitors = [Visitor(space, inputs, expected, log, seed) for seed in range(clients)]
        threads = [threading.Thread(target=visitor.visit, args=[until]) for visitor in visitors]
        watcher = threading.Thread(target=watch, args=[space, log, over])
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        peak = round(space.megabytes("VmHWM"))
        log.add("end", "end", 0)
        ended = settle(space, at_rest)
        over.set()
        watcher.join()
    return summary(log, clients, minutes) | {"megabytes_before": idle, "megabytes_peak": peak, "afterwards": ended}


def summary(log: Log, clients: int, minutes: float) -> dict[str, Any]:
    """Counts and times, and what was seen each second."""
    rows = [row for row in log.rows if row["act"] != "end"]
    outcomes = Counter(row["outcome"] for row in rows)
    by_act = {
        act: dict(Counter(row["outcome"] for row in rows if row["act"] == act))
        for act in sorted({r["act"] for r in rows})
    }
    return {
        "clients": clients,
        "minutes": minutes,
        "requests": len(rows),
        "answers_right": outcomes["right"],
        "answers_wrong": outcomes["wrong"],
        "bad_input_told": outcomes["told"],
        "refusals": outcomes["refused"],
        "left": outcomes["left"],
        "errors": outcomes["error"],
        "by_request": by_act,
        "messages": dict(Counter(row["message"] for row in rows if "message" in row).most_common(10)),
        "seconds": {act: times(rows, act) for act in ("slab", "threshold", "example")},
        "waiting_most": max((sample["waiting"] or 0 for sample in log.samples), default=0),
        "files_most": max((sample["files"] for sample in log.samples), default=0),
        "samples": log.samples,
    }


def times(rows: list[dict[str, Any]], act: str) -> dict[str, float] | None:
    """Median and 95th percentile of the seconds of right answers, and how many there were."""
    found = sorted(row["seconds"] for row in rows if row["act"] == act and row["outcome"] == "right")
    if not found:
        return None
    return {"p50": statistics.median(found), "p95": found[round(0.95 * (len(found) - 1))], "n": len(found)}


def draw(result: dict[str, Any], file: Path) -> None:
    """Memory, queue and answers over time."""
    samples = result["samples"]
    minutes = [sample["at"] / 60 for sample in samples]
    caption = (
        f"{result['clients']} clients for {result['minutes']:g} minutes, then nobody until all that was temporary "
        f"was gone ({TIME_TO_LIVE} s to live). One process, at most 8 requests waiting."
    )
    figure, panels = chart(3, caption, width=3.4, height=3.2)
    shown = (("megabytes", 1024, "memory of the Space, GB"), ("waiting", 1, "requests waiting"), ("files", 1, "files"))
    for axis, (name, unit, label), style in zip(panels, shown, STYLES, strict=False):
        values = [np.nan if sample[name] is None else sample[name] / unit for sample in samples]
        axis.plot(minutes, values, color=style["color"])
        axis.set(xlabel="minutes", ylabel=label, ylim=(0, 1.1 * np.nanmax([*values, 1])))
    figure.savefig(file)


def main() -> None:
    """Load, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    before = os.getloadavg()[0]
    result = load(options.clients, options.minutes)
    result |= {"cores": len(os.sched_getaffinity(0)), "load_before": round(before, 2)}
    write_json(options.output, result)
    draw(result, options.output.with_suffix(".png"))
    print(json.dumps({name: value for name, value in result.items() if name != "samples"}, indent=2))
    wrong = result["answers_wrong"] + result["errors"] + result["afterwards"]["files_left"]
    if wrong or not result["answers_right"]:
        sys.exit("answers were wrong or missing, a request failed, or files were left")


if __name__ == "__main__":
    main()
