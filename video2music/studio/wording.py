"""Feelings, counts and headings in plain words."""

from emotion.affect import UNDECIDED

BATCH_COLUMNS = ("Clip", "State", "Heard as", "Music", "Work", "Remarks")


def feels(valence: float, arousal: float) -> str:
    """A place on the plane in words; near an axis nothing is said of that axis."""
    said = [_side(valence, "pleasant", "unpleasant"), _side(arousal, "excited", "calm")]
    return " and ".join(filter(None, said)) or "neutral"


def _side(value: float, positive: str, negative: str) -> str:
    return "" if abs(value) < UNDECIDED else positive if value > 0 else negative


def counted(number: int, what: str) -> str:
    """So many things, in words that agree: no cuts, 1 cut, 2 cuts."""
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


def percent(share: float) -> str:
    """A share of 1 in whole percent."""
    return f"{100 * share:.0f} %"
