"""The state file: written whole and then put in place, so that a kill never leaves half of it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


class StateFileError(Exception):
    """The state file cannot be read; its text is one sentence for the operator."""


def load_state(path: Path) -> dict[str, Any]:
    """Return what the state file holds, {} if there is none; raises StateFileError."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StateFileError(f"The state file {path} cannot be read: {error}.") from error
    if not isinstance(state, dict):
        raise StateFileError(f"The state file {path} does not hold the sandbox's state.")
    return state


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state as JSON, atomically; raises OSError if the folder is not writable."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
