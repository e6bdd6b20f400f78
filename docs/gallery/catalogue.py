"""The pages of the gallery: one for each method, one for each family, made from the catalogue and its docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import gradmark.estimators
from docs.gallery import figures
from docs.gallery.formulas import is_formula, mathml, paragraphs, prose
from gradmark.estimators.references import Work, works

CITED = re.compile(r"\\?\[([a-z]+\d{4}[a-z]?)\\?\]")
HEADINGS = {"Unbiased": "Bias", "Biased": "Bias", "Exact for": "Bias", "Shapes:": "Shapes"}


@cache
def methods() -> list[dict[str, Any]]:
    """What `gradmark list estimators --json` says of every method, in the order of the catalogue."""
    command = [sys.executable, "-m", "gradmark", "list", "estimators", "--json"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
    return json.loads(listed.stdout)["estimators"]


def families() -> dict[str, list[dict[str, Any]]]:
    """The methods by family."""
    found: dict[str, list[dict[str, Any]]] = {}
    for method in methods():
        found.setdefault(method["family"], []).append(method)
    return found


def title(family: str) -> str:
    """A family's name in words."""
    return family.replace("_", " ").capitalize()


def path(method: dict[str, Any]) -> str:
    """Where the page of a method lies in the site's sources."""
    return f"methods/{method['family']}/{method['name']}.md"


def pages() -> dict[str, str]:
    """Every page of the gallery: where it lies, and its Markdown."""
    found = {"methods/index.md": _overview(), "references.md": _bibliography()}
    for family, members in families().items():
        found[f"methods/{family}/index.md"] = _family(family, members)
        found |= {path(member): _method(member) for member in members}
    return found


def navigation() -> list[Any]:
    """The gallery's part of the site's navigation."""
    parts = [
        {title(family): [f"methods/{family}/index.md", *({m["name"]: path(m)} for m in members)]}
        for family, members in families().items()
    ]
    return ["methods/index.md", *parts]


def _overview() -> str:
    lines = ["# Methods", "", "Every method of the catalogue, by the mechanism that it uses.", ""]
    for family, members in families().items():
        lines += [f"## [{title(family)}]({family}/index.md)", "", _about(family), "", _table(members, f"{family}/"), ""]
    return "\n".join(lines)


def _family(family: str, members: list[dict[str, Any]]) -> str:
    return "\n".join([f"# {title(family)}", "", _about(family), "", _table(members, "")])


def _about(family: str) -> str:
    module = __import__(f"gradmark.estimators.{family}", fromlist=[family])
    return prose(inspect.getdoc(module) or "")


def _table(members: list[dict[str, Any]], folder: str) -> str:
    rows = [f"| [{m['name']}]({folder}{m['name']}.md) | {prose(m['what'])} | {_bias(m)} |" for m in members]
    return "\n".join(["| method | what it does | bias |", "| --- | --- | --- |", *rows])


def _method(method: dict[str, Any]) -> str:
    cls = getattr(gradmark.estimators, method["name"])
    blocks = paragraphs(inspect.getdoc(cls) or "")
    lines = [f"# {method['name']}", "", prose(blocks[0]), "", _facts(method, cls), "", "## The estimator", ""]
    lines += _body(blocks[1:])
    figure = figures.figure(method["name"])
    if figure:
        lines += ["## Total variance", "", FIGURE_TEXT, "", figure, ""]
    lines += ["## Reference", "", _entry(_work_of(cls)), "", "## Code", "", _code(cls)]
    return "\n".join(lines)


FIGURE_TEXT = (
    "At the first parameters, with the method's default fields. The large dot is this method; the others are the "
    "methods with the same target, hollow where they are biased. Point at a dot for its name. Values are exact, by "
    "[quadrature or a sum over all outcomes](../../quadrature.md), except where they say *measured*."
)


def _body(blocks: list[str]) -> list[str]:
    """The rest of a docstring, under headings."""
    lines: list[str] = []
    for block in blocks:
        if block.startswith(("Reference:", "Raises:", "Examples:", "    ValueError:")):
            lines += ["## Notes", ""] if block.startswith("Reference:") and block is not blocks[-1] else []
            continue
        heading = next((name for start, name in HEADINGS.items() if block.startswith(start)), None)
        if heading and f"## {heading}" not in lines:
            lines += [f"## {heading}", ""]
        text = block if heading != "Shapes" else _capitalised(block.removeprefix("Shapes:").lstrip())
        lines += [mathml(inspect.cleandoc(text)) if is_formula(text) else _linked(prose(text)), ""]
    return lines


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _linked(text: str) -> str:
    """Text whose citations are links to the bibliography, and whose method names are links to their pages."""
    pages_of = {method["name"]: f"../../{path(method)}" for method in methods()}
    text = CITED.sub(lambda m: f"[{_short(m[1])}](../../references.md#{m[1]})", text)
    return re.sub(r"`(\w+)`", lambda m: f"[`{m[1]}`]({pages_of[m[1]]})" if m[1] in pages_of else m[0], text)


def _short(key: str) -> str:
    work = works()[key]
    surnames = [name.split()[-1] for name in work.authors.split(", ")]
    named = (
        surnames[0] if len(surnames) == 1 else " and ".join(surnames) if len(surnames) == 2 else f"{surnames[0]} et al."
    )
    return f"{named}, {work.year}"


def _work_of(cls: type[gradmark.estimators.Estimator]) -> Work | str:
    return next((work for work in works().values() if str(work) == cls.reference), cls.reference)


def _entry(work: Work | str) -> str:
    if isinstance(work, str):
        return work
    link = f" <{work.link}>" if work.link else ""
    return f"{work.authors}: *{work.title}*. {work.venue}, {work.year}.{link}"


def _bibliography() -> str:
    items = "\n".join(f'- <a id="{key}"></a>{_entry(work)}' for key, work in works().items())
    return f"# References\n\nThe works that docstrings cite: `estimators/references.bib`.\n\n{items}\n"


def _bias(method: dict[str, Any]) -> str:
    return method["bias"] if method["target"] == "expected cost" else f"{method['bias']} for its target"


def _facts(method: dict[str, Any], cls: type[gradmark.estimators.Estimator]) -> str:
    fields = ", ".join(f"`{f.name}={f.default!r}`" for f in dataclasses.fields(cls))  # type: ignore[arg-type]
    rows = {
        "estimates": f"the gradient of the {method['target']}",
        "bias": method["bias"],
        "z may be": ", ".join(f"`{name}`" for name in method["distributions"] or []),
        "needs": ", ".join(method["needs"] or []) or "nothing else",
        "`num_samples`": method["draws"],
        "evaluations of the cost": method["per_draw"],
        "state": ", ".join(f"`{name}`" for name in method["state"] or []) or "none",
        "fields": fields or "none",
        "as text": f"`{method['name']}()`",
    }
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])
    return f'<div class="facts" markdown>\n\n{table}\n\n</div>'


def _code(cls: type) -> str:
    source = Path(inspect.getfile(cls)).read_text("utf-8")
    tree_start = source.index("from __future__")
    indented = "\n".join(f"    {line}" if line else "" for line in source[tree_start:].strip().split("\n"))
    without_docstring = re.sub(r'(\n        """)(?:.|\n)*?"""', "", indented, count=1)
    return f'??? quote "{cls.__name__} as it is written"\n\n    ```python\n{without_docstring}\n    ```\n'
