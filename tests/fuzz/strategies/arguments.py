"""Command lines: a good one of each command, with arguments changed, dropped, doubled and put in."""

from __future__ import annotations

from dataclasses import dataclass

import typer
from hypothesis import strategies as st

from recoseg_hf.cli import app
from tests.fuzz.strategies.values import HARD_TEXTS

INPUTS = (
    "@case", "@cases", "@case/sub-01_flair.nii.gz", "@model", "@result", "@file", "@empty", "@missing", "@fifo",
    "@broken-link", "@loop", "@json", "@split", "/dev/null", "/dev/zero", "/etc/hostname", "organisation/name",
)  # fmt: skip
"""Stand for places that `tests.fuzz.targets.commands` makes, and for some that every machine has."""

OUTPUTS = (
    "@out",
    "@out/deep/er",
    "@file",
    "@file/in/it",
    "@empty",
    "@fifo",
    "@broken-link",
    "@loop",
    "out",
    "é/日本",
    "..",
    ".",
    "",
)
"""Nothing outside the folder of the example is written to."""

NUMBERS = (
    "0",
    "1",
    "2",
    "-1",
    "0.5",
    "1e3",
    "nan",
    "inf",
    "-inf",
    "1e-30",
    "1e400",
    "9" * 30,
    "0x10",
    "",
    "1_0",
    "٣",
    "two",
)

GOOD = {
    "predict": ["@case", "-o", "@out", "--model", "@model", "--device", "cpu"],
    "predict files": [
        "--flair", "@case/sub-01_flair.nii.gz", "--t1", "@case/sub-01_t1.nii.gz", "--t2", "@case/sub-01_t2.nii.gz",
        "--t1ce", "@case/sub-01_t1ce.nii.gz",
        "-o", "@out", "--model", "@model", "--device", "cpu", "--subject", "one",
    ],
    "predict cohort": ["--cohort", "@cases", "-o", "@out", "--model", "@model", "--device", "cpu"],
    "check": ["@case"],
    "check cohort": ["@cases", "--json"],
    "evaluate": ["@result", "@cases", "-o", "@out/result.json"],
    "audit": ["@json"],
    "report": ["@result", "--case", "@case", "--output", "@out/page.html"],
    "prepare": ["@cases", "@out", "--system", "recoseg_small"],
    "dataset-card": ["@cases", "--license", "other", "-o", "@out/README.md"],
}  # fmt: skip
"""Each succeeds as it stands."""

MORE = {"evaluate": ([], ["--full"])}
"""What a good command line may end with beside nothing, where that loads other libraries."""

REFUSED = {
    "export": ["@missing", "-o", "@out"],
    "push": ["@result", "organisation/name"],
    "push-dataset": ["@missing", "organisation/name", "--license", "other"],
    "demo": ["--seed", "-1", "-o", "@out"],
    "doctor": ["@missing"],
}
"""What would go to the Hub, start another process or simulate a whole head; refused as it stands, and as changed."""

_ALWAYS = {"export": ["--evaluation", "@missing", "--no-example"], "demo": ["--seed", "-1"], "check": ["--jobs", "1"]}
"""What a command line ends with whatever was changed, so that no whole head is simulated and no process started."""

_TEXTS = tuple(text for text in HARD_TEXTS if text not in ("/", "~"))
"""A folder to look through for cases may be anything but the whole machine."""

_short_texts = st.text(max_size=8).filter(lambda text: not text.startswith("/"))

_COMMANDS = typer.main.get_command(app).commands
_OUTPUT_NAMES = ("output", "out")


@dataclass(frozen=True)
class _Option:
    flags: tuple[str, ...]
    is_flag: bool
    output: bool


def start_of(name: str) -> list[str]:
    """The good command line of `name`, which may have a word after the command's."""
    return [name.split(" ")[0], *(GOOD | REFUSED)[name]]


def names() -> list[str]:
    """The command lines that this version has."""
    return [name for name in GOOD | REFUSED if name.split(" ")[0] in _COMMANDS]


@st.composite
def command_lines(draw: st.DrawFn, name: str) -> list[str]:
    """A command line in which one to three things are other than in the good one."""
    words = start_of(name)
    options = _options(words[0])
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(("value", "value", "option", "option", "drop", "double", "insert", "before")))
        places = range(1, len(words))
        if kind == "value" and places:
            place = draw(st.sampled_from(places))
            words[place] = draw(_value_at(words, place, options))
        elif kind == "option" and options:
            option = draw(st.sampled_from(options))
            words += [draw(st.sampled_from(option.flags)), *([] if option.is_flag else [draw(_value(option))])]
        elif kind == "drop" and places:
            del words[draw(st.sampled_from(places))]
        elif kind == "double" and places:
            words.append(words[draw(st.sampled_from(places))])
        elif kind == "insert":
            words.append(draw(st.sampled_from(("--", "-", "--unknown", "-h", "--help", *_TEXTS, *INPUTS))))
        elif kind == "before":
            words.insert(0, draw(st.sampled_from(("--version", "--debug", "-x", "", "nonsense"))))
    end = words.index("--") if "--" in words else len(words)  # what follows it is no option
    return words[:end] + _ALWAYS.get(name.split(" ")[0], []) + words[end:]


def _options(command: str) -> list[_Option]:
    found = []
    for parameter in _COMMANDS[command].params:
        flags = tuple(flag for flag in parameter.opts if flag.startswith("-"))
        if flags and parameter.name not in ("help", "i_may_publish_these_scans", "may_publish"):
            found.append(_Option(flags, bool(parameter.is_flag), parameter.name in _OUTPUT_NAMES))
    return found


def _value(option: _Option) -> st.SearchStrategy[str]:
    if option.output:
        return st.sampled_from(OUTPUTS)
    words = st.sampled_from(_TEXTS) | _short_texts
    return st.sampled_from(INPUTS) | st.sampled_from(NUMBERS) | st.floats().map(str) | words


def _value_at(words: list[str], place: int, options: list[_Option]) -> st.SearchStrategy[str]:
    """Another word for a place: an output's stays within the example's folder."""
    before = next((option for option in options if words[place - 1] in option.flags), None)
    if words[place].startswith("@out") or (before and before.output):
        return st.sampled_from(OUTPUTS)
    if before:
        return _value(before)
    if words[place].startswith("-"):
        return st.sampled_from([flag for option in options for flag in option.flags] + ["--", "-", "--x"])
    return st.sampled_from(INPUTS) | st.sampled_from(_TEXTS) | _short_texts
