"""What the figures were measured on; no name of a host, user or folder."""

import platform
import re
from importlib.metadata import version
from pathlib import Path

import psutil


def facts() -> dict[str, str]:
    """Name and value, in the order to show them; ask before measuring, for the load is that of others."""
    return {
        "CPU": _cpu_model(),
        "cores": str(psutil.cpu_count() or "unknown"),
        "memory": f"{psutil.virtual_memory().total / 1024**3:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "load before": f"{psutil.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "boto3": version("boto3"),
        "botocore": version("botocore"),
        "moto": version("moto"),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"(?m)^model name\s*:\s*(.+)$", info.read_text("utf-8")) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
