"""Measure a model before and after fine-tuning on a site's own held-out subjects, and write its site card.

    python training/site_card.py --before MODEL --after runs/site --data SITE --part test --output_dir runs/site

SITE is a labelled BraTS-style folder with `splits.json`; the part named must be of subjects that neither model was
trained on. Full volumes, each model with its own settings. `--original_data` measures the data that the model was
first trained on too: what was forgotten. The result, `site_card.md` and `site_card.json`, holds no subject's name and
no path. With `--data` on a disk that may not be copied, this is what may leave it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.evaluation.new_site.card import SubjectsOf, make_site_card
from recoseg_hf.process import tune_process


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default=None, help="model folder or Hub id; by default the embedded model")
    parser.add_argument("--after", required=True, help="folder of the fine-tuned model")
    parser.add_argument("--data", type=Path, required=True, help="the site's labelled BraTS-style folder")
    parser.add_argument("--split", type=Path, default=None, help="by default splits.json in --data")
    parser.add_argument("--part", default="validation", help="list of the split to measure on, such as test")
    parser.add_argument("--original_data", type=Path, default=None, help="BraTS-style folder of the first training")
    parser.add_argument("--original_split", type=Path, default=None, help="by default its splits.json")
    parser.add_argument("--original_part", default="validation", help="subjects that were held out then")
    parser.add_argument("--site", default="a new site", help="how the card calls the site")
    parser.add_argument("--output_dir", type=Path, required=True, help="where the card goes")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    options = parse_arguments(arguments)
    tune_process()
    original = None
    if options.original_data is not None:
        original = SubjectsOf(options.original_data, options.original_part, options.original_split)
    with tqdm(unit="subject") as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        site = SubjectsOf(options.data, options.part, options.split)
        card = make_site_card(options.before, options.after, site, options.output_dir, original, options.site, advance)
    print(f"Site card: {card}")


if __name__ == "__main__":
    with told_in_a_line():
        main()
