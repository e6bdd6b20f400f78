"""What mkdocs calls while it builds the site: it adds the gallery's pages and their entries in the navigation."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig  # pyright: ignore[reportMissingImports]
from mkdocs.structure.files import File, Files  # pyright: ignore[reportMissingImports]
from mkdocs.structure.pages import Page  # pyright: ignore[reportMissingImports]

from docs.gallery import catalogue
from docs.gallery.formulas import formulas_as_mathml

ENTRY = "methods"  # the entry of the navigation in mkdocs.yml that stands for the gallery


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the gallery where the navigation says `Methods: methods`."""
    config.nav = [
        {name: catalogue.navigation() if part == ENTRY else part}
        for entry in config.nav or []
        for name, part in entry.items()
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file holds."""
    for path, content in catalogue.pages().items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set the formulas of the note, which it writes as docstrings do."""
    return formulas_as_mathml(markdown) if page.file.src_uri.startswith("note/") else markdown
