"""How Sphinx builds the site: ``make docs``, without a network, with warnings as errors.

The scripts of ``docs/examples`` are run, and become the pages of ``tutorials/`` and ``gallery/``. What of the
reference can be read off the code (commands, configuration, cards) is, by the modules of ``docs/extensions``.
"""

import os
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "extensions"))
# As in an environment that is activated, where examples find its programs.
programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ.update(PATH=programs, OMP_NUM_THREADS="1", WANDB_SILENT="true", COLUMNS="100")

project = "salt-fwi"
author = "The salt-fwi authors"
copyright = "2026, The salt-fwi authors, MIT licence"
release = version = metadata.version("salt-fwi")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "links",
    "api_pages",
    "generated",
]
exclude_patterns = ["_build", "examples", "**/README.md", "**/GALLERY_HEADER.*"]
nitpicky = True
# Types of other projects, whose pages cannot be asked for without a network.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(collections|contextlib|datetime|h5py|jinja2|lightning|matplotlib|np|numpy|pathlib|pydantic|scipy|torch|typing"
        r"|wandb|yaml)\b.*|SafetensorError|ValidationError",
    ),
    ("py:class", r"fwi\.config\.load\.SectionT"),  # a type variable
]

myst_enable_extensions = ["attrs_inline", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
highlight_language = "none"  # most blocks are what a terminal shows; others name their language

autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}  # pydantic's own
autodoc_preserve_defaults = True  # a default as it is written, not as it prints
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring, napoleon_numpy_docstring = True, False

html_theme = "pydata_sphinx_theme"
html_title = "salt-fwi"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {"text": "salt-fwi"},
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 8,
    "pygments_light_style": "default",
    "footer_start": ["copyright"],
    "footer_end": [],
}


sphinx_gallery_conf = {
    "examples_dirs": ["examples/tutorials", "examples/gallery"],
    "gallery_dirs": ["tutorials", "gallery"],
    "filename_pattern": r"\.py$",
    # What the pages on attention, and those on corruptions, share.
    "ignore_pattern": r"(salt_task|one_record)\.py$",
    "within_subsection_order": "teaching_order.TeachingOrder",
    "parallel": 2,
    "image_scrapers": ("figures",),
    # Figures of fwi.plots are made without pyplot; without this a notebook shows their size instead of them.
    "first_notebook_cell": "%matplotlib inline",
    "ignore_repr_types": r"matplotlib",
    "reset_modules": ("matplotlib", "seaborn", "scratch.fresh"),
    "matplotlib_animations": False,
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "show_signature": False,
    "min_reported_time": 1,
    "remove_config_comments": True,
    "plot_gallery": "True",
}
