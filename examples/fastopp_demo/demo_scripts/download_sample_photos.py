"""Fills the storage with sample photos and gives each user of the demo one as its own.

python demo_scripts/download_sample_photos.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

from scripts.download_sample_photos import download_sample_photos
from services.storage import get_storage

USERS = ("ada", "grace", "alan")


def assign_photos() -> dict[str, str]:
    """The URL of each user's photo."""
    download_sample_photos(len(USERS))
    storage = get_storage()
    samples = storage.list_files("sample_photos/")
    return {
        user: storage.save_file(storage.get_file(sample), f"photos/{user}.png", "image/png")
        for user, sample in zip(USERS, samples, strict=False)
    }


if __name__ == "__main__":
    for name, url in assign_photos().items():
        print(f"{name}: {url}")
