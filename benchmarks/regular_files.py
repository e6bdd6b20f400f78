"""Files of users: only regular files are opened, and at most a given number of bytes is read."""

from __future__ import annotations

import stat
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def fault_of_file(path: Path, most: int | None = None) -> str | None:
    """None where `path` is a regular file of at most `most` bytes; else what is wrong, as a clause. It opens nothing.

    A pipe without a writer would block, and a device has no end: neither is opened.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return "there is no such file"
    except OSError as fault:
        return f"it cannot be read ({fault.strerror})"
    except ValueError as fault:  # a name with a null character
        return f"it cannot be read ({fault})"
    if not stat.S_ISREG(facts.st_mode):
        return f"it is {KINDS.get(stat.S_IFMT(facts.st_mode), 'something else')}, not a regular file"
    if most is not None and facts.st_size > most:
        return f"it has {facts.st_size} bytes, and {most} would be enough"
    return None


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of a regular file that has at most `most` of them; ValueError, with what is wrong, for any other."""
    fault = fault_of_file(path, most)
    if fault is not None:
        raise ValueError(fault)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    if len(content) > most:  # it has grown since it was looked at
        raise ValueError(f"it has more than {most} bytes, which would be enough")
    return content
