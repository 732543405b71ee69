"""Reads views back as XML: where marks and labels stand, and whether anything in them could run or be fetched."""

import re
from xml.etree import ElementTree as Xml

import numpy as np

SPAN, HEIGHT = 1000, 100
NASTY = "<script>alert(1)</script>\"'&${value}{{this}}\x1b\n"
MAY_CLOSE_THEMSELVES = {"img", "path", "polyline", "polygon", "line", "rect", "circle"}
FETCHES = re.compile(r"(https?:|//|url\(|@import|javascript:)")


def read(text: str) -> Xml.Element:
    """The view as a tree, which is the same to readers of XML and of HTML, and asks for nothing from anywhere."""
    tree = Xml.fromstring(f"<views>{text}</views>")
    for element in tree.iter():
        assert element.tag not in {"script", "iframe", "object", "link", "foreignObject"}
        assert not [name for name in element.attrib if name.startswith("on")]
        sources = [element.get(name, "") for name in ("src", "href")]
        assert all(source.startswith("data:image/jpeg;base64,") for source in sources if source)
        assert not FETCHES.search(element.text or "") or element.tag not in {"style"}
    assert set(re.findall(r"<(\w+)[^<>]*/>", text)) <= MAY_CLOSE_THEMSELVES
    return tree


def said(tree: Xml.Element) -> str:
    """All text but styles, in one line."""
    own = [(element.text if element.tag != "style" else "", element.tail) for element in tree.iter()]
    return " ".join(word for pair in own for text in pair for word in (text or "").split())


def labelled(tree: Xml.Element, label: str) -> Xml.Element:
    """The one element whose label for screen readers begins so."""
    (found,) = [element for element in tree.iter() if element.get("aria-label", "").startswith(label)]
    return found


def styled(tree: Xml.Element, kind: str) -> list[Xml.Element]:
    """Elements of a class, in order."""
    return [element for element in tree.iter() if kind in element.get("class", "").split()]


def points(element: Xml.Element) -> np.ndarray:
    """(N, 2): the places of a polyline or polygon."""
    return np.array([[float(number) for number in pair.split(",")] for pair in element.get("points").split()])


def marks(path: Xml.Element | None) -> list[float]:
    """Where the strokes of a path begin, from the left."""
    return [float(x) for x in re.findall(r"M([\d.]+) ", path.get("d"))] if path is not None else []


def shares(elements: list[Xml.Element]) -> list[float]:
    """Where labels stand, as shares of the width."""
    return [float(re.search(r"left:(-?[\d.]+)%", element.get("style"))[1]) / 100 for element in elements]


def value_at(line: np.ndarray, x: float) -> float:
    """What value from -1 to 1 a drawn curve has at a place."""
    return 1 - 2 * float(np.interp(x, line[:, 0], line[:, 1])) / HEIGHT
