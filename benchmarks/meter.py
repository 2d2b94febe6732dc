"""CPU time and memory of processes, read from /proc (Linux)."""

import os
from contextlib import suppress
from pathlib import Path

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def with_children(pid: int) -> list[int]:
    """Return a process and its direct children."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [
        pid,
        *(int(child) for task in tasks for child in (task / "children").read_text().split()),
    ]


def cpu_ms(pids: list[int]) -> float:
    """Return the user and system time that the processes have used so far."""
    total = 0
    for pid in pids:
        # The name, in brackets, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_MS


def memory_mb(pids: list[int]) -> float:
    """Return the memory of the processes, shared pages divided among those who share them."""
    total = 0
    for pid in pids:
        # A child may have ended meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024
