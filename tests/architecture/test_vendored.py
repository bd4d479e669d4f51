"""What others wrote and we ship is byte for byte what the lock file says."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "vendor_console.py"


def test_vendored_modules_are_those_of_the_lock_file() -> None:
    done = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
