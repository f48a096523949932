"""Configuration of Sphinx; ``tox -e docs`` builds the documentation."""

from __future__ import annotations

import sys
from pathlib import Path

from pallets_sphinx_themes import get_version

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Flask-CrewExec"
copyright = "The Flask-CrewExec authors"
author = "The Flask-CrewExec authors"
release, version = get_version("Flask-CrewExec")

extensions = [
    "pallets_sphinx_themes",
    "sphinx_copybutton",
    # These write the reference from the code.
    "api_reference",
    "commands_reference",
    "crewai_fields_reference",
    "errors_reference",
    "events_reference",
    "graph_reference",
    "metrics_reference",
    "routes_reference",
    "settings_reference",
]
exclude_patterns = ["_build"]
default_role = "code"

# Other projects' classes have no page here; exceptions, methods and data must exist.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*"), ("py:exc", r"werkzeug\..*")]

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
highlight_language = "python"

# Copy commands without their prompt and without the output below them.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

html_theme = "flask"
html_title = f"Flask-CrewExec documentation ({version})"
html_static_path = ["_static"]
html_show_copyright = False
html_show_sourcelink = False
html_sidebars = {
    "index": ["localtoc.html", "searchbox.html"],
    "**": ["localtoc.html", "relations.html", "searchbox.html"],
}
