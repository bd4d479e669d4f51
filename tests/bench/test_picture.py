"""The picture of the figures: sound SVG, and bars that end where they should."""

import re

from defusedxml.ElementTree import fromstring

from bench.figures import Figure, Floor
from bench.picture import draw, goodness

MORE = Figure("rate", "more is better & <good>", "ratio", Floor(0.5, "least"), (0.4, 0.5, 0.6))
LESS = Figure("wait", "less is better", "ms", Floor(50, "most"), (100.0,))
NONE = Figure("none", "nothing at all", "s", Floor(3, "most"), (0.0,))


def test_twice_as_good_is_two_whether_more_or_less_is_wanted() -> None:
    assert goodness(MORE) == 1
    assert goodness(LESS) == 0.5
    assert goodness(NONE) == float("inf")


def test_each_figure_has_a_bar_and_its_words() -> None:
    picture = draw([MORE, LESS, NONE], "some day")
    root = fromstring(picture)
    assert root.tag.endswith("svg")
    words = "".join(root.itertext())
    assert all(text in words for text in ("some day", "more is better & <good>", "less is better", "0 s"))
    bars = [float(width) for width in re.findall(r'width="([0-9.]+)" height="18"', picture)]
    assert bars == [190.0, 95.0, 380.0]
