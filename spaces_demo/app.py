"""The Space: upload a case or take the simulated one, and see what ReCoSeg++ makes of it.

    python spaces_demo/app.py

`RECOSEG_MODEL` names another model than the embedded one, `RECOSEG_REVISION` its commit on the Hub.
"""

import os
import tempfile

# Read by Gradio and huggingface_hub when they are imported: nothing is told to anybody, and files lie in a folder of
# this run's own, since all that grows old in it is deleted.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
if _WHERE := os.environ.get("GRADIO_TEMP_DIR"):
    os.makedirs(_WHERE, exist_ok=True)
FILES = os.environ["GRADIO_TEMP_DIR"] = os.path.abspath(tempfile.mkdtemp(prefix="recoseg-space-", dir=_WHERE))

from space.device import load_model  # first of ours: on ZeroGPU `spaces` must come before torch
from space.page import build_page
from space.settings import LAUNCH, QUEUE
from space.tidying import keep_tidy


def main() -> None:
    """Load the model, then serve the page."""
    load_model()
    page = build_page()
    keep_tidy(page, FILES)
    page.queue(**QUEUE).launch(**LAUNCH)


if __name__ == "__main__":
    main()
