"""A Python with packages from the index, in a virtual environment that is thrown away."""

import os
import subprocess
import venv


def python_with(directory, *packages):
    """The interpreter of a new environment below `directory`."""
    place = os.path.join(directory, "venv")
    venv.create(place, with_pip=True)
    python = os.path.join(place, "bin", "python")
    if packages:
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python
