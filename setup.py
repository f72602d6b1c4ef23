"""Packaging of recoseg_hf; tool settings are in pyproject.toml."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
SHIPPED_FOLDERS = ("pipelines", "model_cards")

CORE = [
    "accelerate>=1.15",
    "datasets>=5.2",
    "diffusers>=0.42.1",
    "huggingface_hub>=2.4",
    "jinja2>=3.1.6",
    "nibabel>=5.4.2",
    "numpy>=2.4",
    "Pillow>=12.3",
    "rich>=15.0",
    "safetensors>=0.8",
    "torch>=2.13",
    "typer>=0.29",
]
TRAIN = ["pyyaml>=6.0.3", "tensorboard>=2.21", "transformers>=5.23"]
EVAL = ["matplotlib>=3.11", "monai>=1.6.1", "scipy>=1.17"]
PHANTOM = ["nilearn>=0.14.1"]
FAST = ["isal>=1.8"]  # gzip files unpacked and compressed faster than by zlib
DEMO = ["gradio>=6.31,<7"]
DOCS = ["mkdocs-material>=9.8", "mkdocstrings[python]>=1.0.8"]
DEV = [
    "einops>=0.8.2",  # MONAI's DiffusionModelUNet, a peer in benchmarks/performance
    "hypothesis>=6.170",
    "ipykernel>=7.4",
    "nbclient>=0.11",
    "nbformat>=5.11",
    "playwright>=1.65",
    "pytest>=9.2",
    "ruff==0.17.6",
]


def version() -> str:
    """Read the version from its one place, the package, without importing it."""
    text = (HERE / "recoseg_hf" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


class BuildWithData(build_py):
    """Copy the systems and card templates of the checkout into the wheel, where `files.shipped_folder` finds them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the checkout itself is in use then, and a copy in it would go stale
            return
        for name in SHIPPED_FOLDERS:
            target = Path(self.build_lib) / "recoseg_hf" / "_data" / name
            shutil.rmtree(target, ignore_errors=True)
            if (HERE / name).is_dir():
                shutil.copytree(HERE / name, target)


setup(
    name="recoseg_hf",
    version=version(),
    description="ReCoSeg++: residual-guided brain tumour segmentation with a conditional diffusion model",
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["recoseg_hf", "recoseg_hf.*"]),
    package_data={
        "recoseg_hf": [
            "py.typed",
            "evaluation/paper/*.json",
            "evaluation/paper/report/*.jinja",
            "inference/doctor/*.json",
            "inference/page/*.css",
            "inference/page/*.jinja",
            "inference/page/*.js",
            "pretrained/**/*",
        ]
    },
    install_requires=CORE,
    extras_require={
        "train": TRAIN,
        "eval": EVAL,
        "phantom": PHANTOM,
        "fast": FAST,
        "demo": DEMO + PHANTOM,
        "docs": DOCS,
        "dev": TRAIN + EVAL + PHANTOM + FAST + DEMO + DOCS + DEV,
    },
    entry_points={"console_scripts": ["recoseg = recoseg_hf.cli:main"]},
    cmdclass={"build_py": BuildWithData},
    keywords=["MRI", "BraTS", "brain tumour", "segmentation", "diffusion", "diffusers"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Typing :: Typed",
    ],
)
