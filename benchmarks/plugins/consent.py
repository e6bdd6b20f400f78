"""The code that a study file brings along: it is loaded only where the file says so *and* the user agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gradmark.benchmarks.errors import BadInput, shortened
from gradmark.benchmarks.plugins.folder import Source


@dataclass(frozen=True)
class Consent:
    """What the user says to code that a study brings along."""

    folder: Path | None = None  # that may be loaded from: what --plugins names
    ask: Callable[[str], bool] = lambda question: False  # where it names none: a prompt, if there is a terminal
    tell: Callable[[str], object] = lambda line: None  # gets a line for each plug-in: what was loaded, from where
    attempt: Callable[[str, str], str | None] = lambda kind, text: None  # reads a spec elsewhere first (`Source`)


CLOSED = Source(None, typed=False, remedy='add plugins = "." to the study file, and pass --plugins FOLDER')


def source(key: object, file: Path, consent: Consent) -> Source:
    """From where the specs of the study in `file` may load code; `key` is what it has under `plugins`, if anything.

    BadInput where the file asks for a folder that the user did not agree to, or agrees to one that it does not ask for.
    """
    shown = shortened(repr(str(file)), 80)
    if not isinstance(key, str):  # also what is not a text: the study's own check says so
        if consent.folder is not None:
            raise BadInput(f'study {shown}: --plugins is for a study that says plugins = "."; add that to the file')
        return replace(CLOSED, attempt=consent.attempt)
    folder = _folder(file, key)
    if folder is None:
        raise BadInput(f"study {shown}: plugins: there is no folder {shortened(repr(key), 60)} beside it; name one")
    if consent.folder is None:
        if not consent.ask(f"The study {shown} runs code from the folder {folder}. Run it?"):
            raise BadInput(f"study {shown}: it runs code from a folder; read that, then pass --plugins {folder}")
    elif not consent.folder.is_dir() or not consent.folder.samefile(folder):
        raise BadInput(f"--plugins {consent.folder}: the study {shown} has its plug-ins in {folder}; pass that")
    remedy = "plug-ins of a study lie in its folder of plug-ins"
    return Source(folder, typed=False, tell=consent.tell, remedy=remedy, attempt=consent.attempt)


def _folder(file: Path, key: str) -> Path | None:
    try:
        folder = (file.parent / key).resolve()
        return folder if folder.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null character, a loop of links
        return None
