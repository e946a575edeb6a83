"""What the pages of the Python API need of autodoc, beside the directives that they are written with.

Docstrings of this project are Google style without types, which are in the signatures. Napoleon takes what
stands before a colon in ``Returns:`` and in the string below an attribute for a type: it is kept from that.
"""

import ast
import builtins
import importlib
import inspect
import pkgutil
import re
import typing
from types import ModuleType, UnionType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.nodes import make_refnode

PACKAGES = ("fwi", "data_prep", "experiments")
BEFORE_NAPOLEON, AFTER_NAPOLEON = 400, 600


def setup(app: Sphinx) -> dict[str, Any]:
    """Import what is documented, and connect the hooks."""
    app.connect("builder-inited", import_all, priority=AFTER_NAPOLEON)  # after the gallery has run
    app.connect("autodoc-process-docstring", _returns_without_types, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", _keep_attribute, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", _restore_attribute, priority=AFTER_NAPOLEON)
    app.connect("autodoc-process-docstring", _flags_as_code, priority=AFTER_NAPOLEON)
    app.connect("autodoc-process-docstring", _name_of_module, priority=AFTER_NAPOLEON)
    app.connect("doctree-read", _builtins_as_text)
    app.connect("missing-reference", _by_another_name)
    app.connect("autodoc-process-signature", _sections_without_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def import_all(_: Sphinx) -> None:
    """Import every module of the packages before autodoc looks at the first.

    Autodoc writes what it finds of annotations into the classes, pydantic's own among them, which can then
    not be the base of another model that keeps unknown keys.
    """
    for package in PACKAGES:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                module = importlib.import_module(found.name)
                _import_types(module)
                for thing in list(vars(module).values()):
                    if getattr(thing, "__module__", None) == module.__name__:
                        _show_plain_types(thing)


def _import_types(module: ModuleType) -> None:
    """Import what a module imports for the type checker alone, so that its signatures name what they mean."""
    for part in ast.parse(inspect.getsource(module)).body:
        if isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING":
            imports = [line for line in part.body if isinstance(line, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), module.__name__, "exec"), vars(module))


def _show_plain_types(thing: Any) -> None:
    """Show types without ranges and precisions; the strings beside them tell what they may be."""
    if inspect.isclass(thing):
        for part in vars(thing).values():
            function = getattr(part, "fget", None) or getattr(part, "__func__", None) or part
            if inspect.isfunction(function):
                _show_plain_types(function)
    elif not inspect.isfunction(thing):
        return
    try:
        types = typing.get_type_hints(thing)
    except NameError:  # a name that no module has
        return
    own = inspect.get_annotations(thing)
    thing.__annotations__ = {name: _plain(types[name]) for name in own if name in types}


def _plain(kind: Any) -> Any:
    """A type with NumPy's arrays as ``ndarray``: their shapes are told in words."""
    import numpy as np

    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is np.ndarray:
        return np.ndarray
    if origin in (typing.Union, UnionType):
        return typing.Union[tuple(map(_plain, parts))]  # noqa: UP007 - of as many as there are
    if isinstance(origin, type) and parts and not any(isinstance(part, list) for part in parts):
        return origin[tuple(map(_plain, parts))] if hasattr(origin, "__class_getitem__") else kind
    return kind


def _builtins_as_text(app: Sphinx, doctree: nodes.document) -> None:
    """Take references to Python's own types for text, which else find fields of the same name.

    Types that autodoc has marked to be shown by their last name alone, and has not, are shown so.
    """
    for reference in list(doctree.findall(addnodes.pending_xref)):
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            reference.replace_self(reference.children)
    # Autodoc leaves the mark of a short name where a type has quotes in it.
    for text in list(doctree.findall(nodes.Text)):
        if re.fullmatch(r"~[\w.]+", text):
            text.parent.replace(text, nodes.Text(text.rpartition(".")[2]))


def _by_another_name(
    app: Sphinx, env: BuildEnvironment, reference: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    """Find what another name of it documents: ``fwi.run.Run.invert`` is shown as ``fwi.Run.invert``."""
    target = reference.get("reftarget", "")
    if reference.get("refdomain") != "py" or target.partition(".")[0] not in PACKAGES:
        return None
    wanted, last = _thing(target), target.rpartition(".")[2]
    for name, entry in env.domaindata["py"]["objects"].items():
        if wanted is not None and name.endswith(f".{last}") and _thing(name) is wanted:
            return make_refnode(app.builder, reference["refdoc"], entry.docname, entry.node_id, shown, name)
    return None


def _thing(name: str) -> Any:
    """What a dotted name stands for; None for a name of nothing."""
    try:
        return pkgutil.resolve_name(name)
    except (AttributeError, ImportError, ValueError):
        return None


def _returns_without_types(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    for number, line in enumerate(lines[:-1]):
        if line in ("Returns:", "Yields:"):
            indented = lines[number + 1]
            lines[number + 1] = f"{indented[: len(indented) - len(indented.lstrip())]}: {indented.lstrip()}"


_KEPT: dict[str, list[str]] = {}


def _flags_as_code(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Show ``--flag`` with both its dashes, which a typographer joins to one."""
    lines[:] = [re.sub(r"(?<![\w`'-])--[a-z][\w.-]*", r"``\g<0>``", line) for line in lines]


def _name_of_module(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Begin what a page tells of a module with its name, so that modules of a page stand apart."""
    if what == "module":
        lines[:0] = [f".. rubric:: ``{name}``", ""]


def _keep_attribute(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    if what in ("attribute", "data", "property"):
        _KEPT[name] = list(lines)


def _restore_attribute(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    if name in _KEPT:
        kept = _KEPT.pop(name)
        # A property may raise, which napoleon looks for in methods alone.
        lines[:] = GoogleDocstring(kept, app.config, app, "method").lines() if what == "property" else kept


def _sections_without_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str, None] | None:
    """Sections of a study have dozens of keys, which the page of the configuration describes."""
    from pydantic import BaseModel

    return ("(**keys)", None) if inspect.isclass(obj) and issubclass(obj, BaseModel) else None
