"""What mkdocs makes the site of: the repository's Markdown files, where they stand, and the generated reference."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from website.pages import ROOT, linked, pages, plugin_pages
from website.reference import PAGES


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page for each plugin into the menu, before the reference."""
    plugins = [{page.parts[1]: page.as_posix()} for page in plugin_pages()]
    config.nav = [*config.nav[:-1], {"Plugins": plugins}, config.nav[-1]]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Give mkdocs these files in place of what stands in ``docs_dir``, beside those of the theme."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    own = [*pages(), *dict.fromkeys(file for page in pages() for file in linked(page)), Path("website/site.css")]
    made = [File.generated(config, name, content=make()) for name, make in PAGES.items()]
    return Files([*theme, *(File(path.as_posix(), str(ROOT), config.site_dir, False) for path in own), *made])
