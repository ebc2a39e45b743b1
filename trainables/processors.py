"""How many processors this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path


def processors(root: Path = Path("/")) -> int:
    """Those of its affinity, as far as the quota of its control groups goes, such as a container's; 1 or more.

    Control groups are read below `root`, of version 2 ("cpu.max") and 1 ("cpu.cfs_quota_us"), as the Linux kernel's
    documentation describes them.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *map(math.ceil, _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Of this process's control groups and of those above them, those that have a quota, in processors."""
    groups = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = groups / "cpu" if controllers else groups
        own = top / path.lstrip("/")
        for group in (own, *own.parents):
            if not group.is_relative_to(top):
                break
            quota, _, period = _read(group / "cpu.max").strip().partition(" ")
            if controllers:
                quota, period = (_read(group / f"cpu.cfs_{what}_us").strip() for what in ("quota", "period"))
            if quota.isdecimal() and period.isdecimal() and int(period):
                yield int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
