"""The shape of the tree in numbers, beside well-kept projects of the field: `make shape`. Nothing here fails a build.

Functions are counted with `ast`, docstrings included, nested functions and methods as well. The anchors were measured
the same way over the packages of openai/whisper, beat_this, PySceneDetect and httpx.
"""

import ast
import io
import re
import statistics
import subprocess
import sys
import tokenize
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("video2music", "emotion")
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A file: its path below the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones as well."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]


def read(root: Path = ROOT) -> list[Module]:
    """The modules of both packages and the program at the top."""
    paths = [root / "app.py", *(path for package in PACKAGES for path in sorted((root / package).rglob("*.py")))]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    return [Module(str(path.relative_to(root)), text, ast.parse(text)) for path, text in texts.items()]


def measure(modules: list[Module], readme_bytes: int) -> dict[str, str]:
    """Each figure by its name, as text."""
    lines = sum(len(module.text.splitlines()) for module in modules)
    lengths = sorted(f.end_lineno - f.lineno + 1 for m in modules for f in m.functions if f.end_lineno)
    homes = class_homes(modules)
    public = [node for module in modules for node in public_definitions(module.tree)]
    private, once = private_functions(modules)
    return {
        "modules": str(len(modules)),
        "files at the top of video2music/": str(
            sum(re.fullmatch(r"video2music/\w+\.py", module.path) is not None for module in modules)
        ),
        "lines": str(lines),
        "functions in 1,000 lines": f"{1000 * len(lengths) / lines:.0f}",
        "lines of a function: median, p90, longest": (
            f"{statistics.median(lengths):.0f}, {lengths[int(0.9 * len(lengths))]}, {lengths[-1]}"
        ),
        "private functions, used once": f"{private}, {once}",
        "class names with two homes, with three or more": (
            f"{sum(len(where) == 2 for where in homes.values())}, {sum(len(where) > 2 for where in homes.values())}"
        ),
        "public definitions with a docstring": (
            f"{100 * sum(ast.get_docstring(node) is not None for node in public) / len(public):.0f} %"
        ),
        "lines with a comment": f"1 in {lines / max(comment_lines(modules), 1):.0f}",
        "README.md": f"{readme_bytes / 1000:.1f} KB",
    }


ANCHORS = {
    "modules": "11 to 34",
    "functions in 1,000 lines": "35 to 51",
    "lines of a function: median, p90, longest": "8 to 20, 39 to 87, 142 to 477",
    "lines with a comment": "1 in 10 to 30",
    "README.md": "5 to 17 KB",
}


def class_homes(modules: list[Module]) -> dict[str, set[str]]:
    """The modules that define a class of a name."""
    homes = defaultdict(set)
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].add(module.path)
    return homes


def public_definitions(tree: ast.Module) -> list[Definition]:
    """Functions and classes of a module, and methods of its classes, whose names do not begin with an underscore."""
    found: list[Definition] = []
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            inside = node.body if isinstance(node, ast.ClassDef) else []
            found += [node, *(each for each in inside if isinstance(each, Function) and not each.name.startswith("_"))]
    return found


def private_functions(modules: list[Module]) -> tuple[int, int]:
    """How many private functions there are, and how many of them have their name used once in their module."""
    total = once = 0
    for module in modules:
        names = Counter(
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute | ast.Name)
        )
        private = [f.name for f in module.functions if re.match(r"_(?!_)", f.name)]
        total += len(private)
        once += sum(names[name] <= 1 for name in private)
    return total, once


def comment_lines(modules: list[Module]) -> int:
    """Lines that hold a comment, directives to tools aside."""
    found = 0
    for module in modules:
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            directive = re.match(r"#\s*(noqa|fmt:|type:|pragma)", token.string)
            found += token.type == tokenize.COMMENT and not directive
    return found


def strict_errors() -> str:
    """What `mypy --strict` says last."""
    command = [sys.executable, "-m", "mypy", "--strict", *PACKAGES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "mypy is not installed"


def main() -> None:
    """Print the table."""
    figures = measure(read(), (ROOT / "README.md").stat().st_size) | {"mypy --strict": strict_errors()}
    width = max(map(len, figures))
    print(f"{'':{width}}  {'here':28}  anchors")
    for name, value in figures.items():
        print(f"{name:{width}}  {value:28}  {ANCHORS.get(name, '')}".rstrip())


if __name__ == "__main__":
    main()
