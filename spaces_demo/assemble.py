"""Put together the folder of a Space: these files and the library with its embedded model.

python spaces_demo/assemble.py build/space
"""

import argparse
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parent / "recoseg_hf"
_UNWANTED = shutil.ignore_patterns("__pycache__", "*.pyc", "assemble.py", "make_example.py")


def assemble(folder: Path) -> None:
    """Copy all that a Space needs into a new folder.

    Raises:
        FileExistsError: it is there already.
    """
    shutil.copytree(HERE, folder, ignore=_UNWANTED)
    shutil.copytree(LIBRARY, folder / LIBRARY.name, ignore=_UNWANTED)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    assemble(parser.parse_args().folder)


if __name__ == "__main__":
    main()
