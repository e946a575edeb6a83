"""Every public name has a docstring that says what it is, and of arrays which shape they have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARRAY = re.compile(r"\b(Tensor|NDArray|Array|Floats|Gathers|Curve|Field|Mask)\b")
SHAPE = re.compile(r"``\(.*?\)``|\bshape\b|\bscalar\b")
DIRECTIVE = re.compile(r"^\.\. auto(module|class|function|exception):: ([\w.]+)((?:\n +:.*)*)", re.MULTILINE)


class Public(NamedTuple):
    """A public name of a module."""

    module: str
    name: str
    node: ast.ClassDef | ast.FunctionDef
    owner: ast.ClassDef | None

    @property
    def text(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def whole(self) -> str:
        return f"{self.module}.{self.name}"


def names(
    module: str, body: list[ast.stmt], owner: ast.ClassDef | None = None, path: str = ""
) -> Iterator[Public]:
    """The public classes, functions and methods of a module."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            decorators = [ast.unparse(each) for each in node.decorator_list]
            if "overload" in decorators or any(each.endswith(".setter") for each in decorators):
                continue
            yield Public(module, f"{path}{node.name}", node, owner)
            if isinstance(node, ast.ClassDef):
                yield from names(module, node.body, node, f"{path}{node.name}.")


FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in ("fwi", "data_prep", "experiments")
    for file in sorted((ROOT / package).rglob("*.py"))
}
TREES = {module: ast.parse(file.read_text()) for module, file in FILES.items()}
PUBLIC = [found for module, tree in TREES.items() for found in names(module, tree.body)]


def documented() -> set[str]:
    """The names that the pages of the Python API show, with their modules as they are defined."""
    shown = set()
    for page in (ROOT / "docs" / "reference" / "api").glob("*.rst"):
        for kind, name, options in DIRECTIVE.findall(page.read_text()):
            chosen = re.search(r":members:(.*)", options)
            if kind == "module":
                members = [each.strip() for each in chosen[1].split(",") if each.strip()] if chosen else []
                shown |= {f"{name}.{each}" for each in members} or {f"{name}.*"}
            else:
                shown.add(name.rpartition(".")[2])
    return shown


SHOWN = documented()


def is_shown(public: Public) -> bool:
    first = public.name.partition(".")[0]
    return not {f"{public.module}.{first}", f"{public.module}.*", first}.isdisjoint(SHOWN)


def test_the_pages_of_the_api_show_hundreds_of_names():
    assert len([public for public in PUBLIC if is_shown(public)]) > 500


@pytest.mark.parametrize("module", TREES)
def test_every_public_name_of_a_module_has_whole_sentences(module):
    texts = {module: ast.get_docstring(TREES[module]) or ""}
    texts |= {public.whole: public.text for public in PUBLIC if public.module == module}

    assert [name for name, text in texts.items() if not text.strip()] == []
    heads = {name: text.partition("\n\n")[0].partition("\nArgs:")[0].strip() for name, text in texts.items()}
    assert [name for name, head in heads.items() if not re.match(r"[A-Z``*]", head)] == []
    assert [name for name, head in heads.items() if head[-1] not in ".:?"] == []


def test_every_public_field_says_what_it_is():
    silent = []
    for public in PUBLIC:
        if not isinstance(public.node, ast.ClassDef) or public.module.startswith("experiments"):
            continue
        body = public.node.body
        for field, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            name, kind = field.target.id, ast.unparse(field.annotation)
            told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            named = re.search(rf"^ +{name}: ", public.text, re.MULTILINE)  # among the arguments of the class
            # A section of a study has its own docstring, and what a module registers is not set by users.
            own = (
                kind.endswith("Config") or kind in ("Tensor", "Gather", "nn.ModuleList") or "ClassVar" in kind
            )
            if not (told or named or own or name.startswith("_")):
                silent.append(f"{public.whole}.{name}")

    assert silent == []


def arguments(node: ast.FunctionDef) -> list[ast.arg]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [each for each in every if each.arg not in ("self", "cls") and not each.arg.startswith("_")]


def takes_arrays(public: Public) -> bool:
    return isinstance(public.node, ast.FunctionDef) and any(
        each.annotation is not None and ARRAY.search(ast.unparse(each.annotation))
        for each in arguments(public.node)
    )


SHOWN_WITH_ARRAYS = [public for public in PUBLIC if is_shown(public) and takes_arrays(public)]


@pytest.mark.parametrize("public", SHOWN_WITH_ARRAYS, ids=lambda public: public.whole)
def test_what_takes_arrays_says_their_shape_and_explains_every_argument(public):
    owner = "" if public.owner is None else ast.get_docstring(public.owner) or ""
    given = arguments(public.node)

    assert SHAPE.search(public.text) or SHAPE.search(owner)
    if len(given) > 1:
        section = public.text.partition("Args:")[2]
        assert [
            each.arg for each in given if not re.search(rf"^ +{each.arg}(, \w+)*: ", section, re.MULTILINE)
        ] == []
