"""Run the same probes on djongo and on django-mongodb-backend and print what was seen.

`python docs/decisions/djongo_comparison/compare.py [--folder PATH] [--python PATH]`

Makes one virtual environment for each backend, uses the server that MONGODB_URI names or starts
the embedded one, prints the table, and compares it with the one in
`0001-django-mongodb-backend-instead-of-djongo.md`. Exit code: 0 the same, 1 different, 2 the
comparison could not be run.
"""

import argparse
import contextlib
import difflib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT_ROOT = HERE.parents[2]
DOCUMENT = HERE.parent / "0001-django-mongodb-backend-instead-of-djongo.md"
TABLE_IN_DOCUMENT = re.compile(r"<!-- comparison -->\n(.*?)<!-- /comparison -->", re.DOTALL)

# Title of the column: the engine's name in Django's settings, its requirements.
BACKENDS = {
    "djongo 1.3.7": ("djongo", "requirements-djongo.txt"),
    "django-mongodb-backend 5.2.4": (
        "django_mongodb_backend",
        "requirements-django-mongodb-backend.txt",
    ),
}
# The last day of security fixes, from "Supported Versions" on the Django project's download
# page (it names the month for 5.2: April 2028).
SECURITY_FIXES_END = {"3.1": date(2021, 12, 7), "5.2": date(2028, 4, 30)}
# Django 3.1 imports `distutils`, which Python 3.12 no longer has.
NEWEST_PYTHON = (3, 11)
INSTALL_SECONDS = 900
PROBE_SECONDS = 180


class ComparisonError(Exception):
    """The comparison could not be run; the message is the sentence that the user sees."""


def run(command: list[str], *, seconds: int, environment: dict[str, str] | None = None) -> str:
    """Run a command and return its stdout.

    Raises ComparisonError with the end of its output when it fails or takes over `seconds`.
    """
    try:
        done = subprocess.run(
            command,
            env=environment,
            timeout=seconds,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise ComparisonError(f"{command[0]} cannot be started: {error.strerror}.") from error
    except subprocess.TimeoutExpired as error:
        raise ComparisonError(f"{command[0]} took longer than {seconds} seconds.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise ComparisonError(f"{' '.join(command[:4])} failed:\n{said}")
    return done.stdout


def check_python(python: str) -> None:
    """Raise ComparisonError for an interpreter that Django 3.1 does not run on."""
    code = "import sys; print(*sys.version_info[:2])"
    major, minor = map(int, run([python, "-c", code], seconds=30).split())
    if (major, minor) > NEWEST_PYTHON:
        raise ComparisonError(
            f"{python} is Python {major}.{minor}, and djongo's Django 3.1 needs 3.11 or older: "
            "name one with --python."
        )


def make_environment(folder: Path, python: str, requirements: str) -> str:
    """Make a virtual environment in `folder`, install into it, and return its interpreter."""
    interpreter = str(folder / "bin" / "python")
    run([python, "-m", "venv", str(folder)], seconds=INSTALL_SECONDS)
    run(
        [interpreter, "-m", "pip", "install", "--quiet", "-r", str(HERE / requirements)],
        seconds=INSTALL_SECONDS,
    )
    return interpreter


@contextlib.contextmanager
def server_uri() -> Iterator[str]:
    """The URI of MONGODB_URI's server, or of an embedded one that lives as long as the block."""
    named = os.environ.get("MONGODB_URI")
    if named:
        yield named
        return
    sys.path.insert(0, str(PROJECT_ROOT))
    from embedded_mongodb.process import EmbeddedServer, EmbeddedServerError

    server = EmbeddedServer()
    try:
        server.start()
    except EmbeddedServerError as error:
        raise ComparisonError(str(error)) from error
    try:
        yield server.uri
    finally:
        server.stop()


def probe(interpreter: str, *, engine: str, uri: str, folder: Path) -> dict[str, str]:
    """Run the probes with one backend, in a database of their own, and return what they saw."""
    result = folder / f"{engine}.json"
    result.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "probe_site.settings",
        "PROBE_ENGINE": engine,
        "PROBE_URI": uri,
        "PROBE_DATABASE": f"comparison_{secrets.token_hex(6)}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    run(
        [interpreter, str(HERE / "run_probes.py"), str(result)],
        seconds=PROBE_SECONDS,
        environment=environment,
    )
    seen: dict[str, str] = json.loads(result.read_text(encoding="utf-8"))
    series = ".".join(seen.pop("Django used").split(".")[:2])
    end = SECURITY_FIXES_END[series]
    word = "until" if end >= date.today() else "ended"
    seen["security fixes of the newest one"] = f"Django {series}: {word} {end.isoformat()}"
    return seen


def table(columns: dict[str, dict[str, str]]) -> str:
    """A Markdown table: a row for each probe, a column for each backend."""
    probes = list(next(iter(columns.values())))
    lines = [["probe", *columns], ["---"] * (len(columns) + 1)]
    lines += [[name, *(seen[name] for seen in columns.values())] for name in probes]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def documented_table() -> str:
    """The table that the decision's document holds between its two markers."""
    found = TABLE_IN_DOCUMENT.search(DOCUMENT.read_text(encoding="utf-8"))
    if found is None:
        raise ComparisonError(f"{DOCUMENT.name} holds no table between its markers.")
    return found[1]


def compare(folder: Path, python: str) -> int:
    """Run the comparison in `folder`; returns the exit code."""
    documented = documented_table()
    check_python(python)
    columns: dict[str, dict[str, str]] = {}
    with server_uri() as uri:
        # One after the other: neither disturbs the other's race.
        for title, (engine, requirements) in BACKENDS.items():
            print(f"{title}: installing and probing ...", file=sys.stderr, flush=True)
            interpreter = make_environment(folder / engine, python, requirements)
            columns[title] = probe(interpreter, engine=engine, uri=uri, folder=folder)
    seen = table(columns)
    print(seen, end="")
    if seen == documented:
        return 0
    print(f"\nDifferent from {DOCUMENT.name}:", file=sys.stderr)
    changes = difflib.unified_diff(
        documented.splitlines(), seen.splitlines(), "document", "seen", lineterm="", n=0
    )
    print("\n".join(changes), file=sys.stderr)
    return 1


def main() -> int:
    """Read the command line and run the comparison; returns the exit code."""
    parser = argparse.ArgumentParser(description="Compare djongo with django-mongodb-backend.")
    parser.add_argument("--folder", type=Path, help="keep the virtual environments here")
    parser.add_argument("--python", default=sys.executable, help="interpreter up to 3.11")
    options = parser.parse_args()
    try:
        if options.folder is not None:
            options.folder.mkdir(parents=True, exist_ok=True)
            return compare(options.folder.resolve(), options.python)
        with tempfile.TemporaryDirectory(prefix="djongo-comparison-") as folder:
            return compare(Path(folder), options.python)
    except ComparisonError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
