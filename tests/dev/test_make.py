"""The Makefile says in one sentence what it needs."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.mark.parametrize("python", ["missing", "too-old"])
def test_a_python_that_will_not_do_is_one_sentence(python: str, tmp_path: Path) -> None:
    program = tmp_path / python
    if python == "too-old":
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    command = ["make", "install", f"PYTHON={program}", f"STAMP={tmp_path}/venv/.installed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        f"OTTSONLY needs Python 3.11 or newer with its venv module, and `{program}` is not that: "
        "install it, or name it with PYTHON=/path/to/python3."
    )
    assert list(tmp_path.iterdir()) == ([program] if python == "too-old" else [])
