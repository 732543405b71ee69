"""How near the predicted emotion of the music is to the target: curves over each other, the plane, and words."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from emotion import alignment
from emotion.alignment import Alignment
from emotion.metrics import AXES
from emotion.svg import CORNERS, markup
from emotion.values import EmotionReport
from video2music.studio.session import LoadedPiece
from video2music.studio.text import counted, emotion_words, percent
from video2music.studio.views import affect, timeline
from video2music.studio.views.timeline import label

STYLE = (
    affect.STYLE
    + """
.v2m .verdict .lane { margin-top: 1.5em; } .v2m .verdict .lane.times { margin-top: 0; }
.v2m .lane i.name { bottom: 100%; left: 0; margin-bottom: 4px; font-weight: 600; }
.v2m .wide { overflow-x: auto; }
.v2m table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; margin: 0; }
.v2m table, .v2m tr, .v2m th, .v2m td { border: 0 !important; background: none !important; }
.v2m .wide :is(th, td) { text-align: left; padding: 6px 14px 6px 0 !important; white-space: nowrap;
  border-bottom: 1px solid var(--border-color-primary, var(--faint)) !important; }
@container (max-width: 480px) {
  .v2m .wide :is(th, td) { font-size: 12px; padding-right: 8px !important; white-space: normal; }
  .v2m .wide :is(th, td):nth-child(n + 6) { display: none; }
}
.v2m thead th { font-weight: 600; opacity: .72; }
.v2m tr.best td, .v2m tr.best th { font-weight: 700; }
"""
)
NO_PREDICTION = "There is no prediction: the weights of the judge that reports are missing."
HEADS = ("", "predicted emotion", "match", "time in target quadrant", "key", "tempo", "bars")


def view(piece: LoadedPiece) -> str:
    """HTML of the prediction over the target, and both in words."""
    paragraphs = [timeline.sentence(text) for text in sentences(piece)]
    if piece.report is None:
        return timeline.view("predicted emotion and target", *paragraphs) + affect.target_view(piece.target)
    target = "target: the picture" if piece.target.source == "picture" else "target: as requested"
    return timeline.view(
        "predicted emotion and target",
        *paragraphs,
        timeline.legend(("picture", target), ("music", "predicted for the music")),
        _drawn(piece, piece.report),
        style=STYLE,
    )


def _drawn(piece: LoadedPiece, report: EmotionReport) -> str:
    """A lane for each axis, and both on the plane, window by window."""
    lasting_s = max(piece.composition.form.duration_s, report.whole.end_s)
    rows = [_lane(piece, report, axis, lasting_s) for axis in AXES]
    kept = alignment.shared(report, piece.target)
    target, predicted = alignment.over_spans(piece.target, alignment.spans_s(kept)), alignment.predicted_points(kept)
    title = "target and prediction, window by window, on the plane"
    drawn = timeline.plane(title, (target, "picture"), (predicted, "music"))
    return f'<div class="pair verdict">{timeline.lanes(lasting_s, *rows)}{drawn}</div>'


def _lane(piece: LoadedPiece, report: EmotionReport, axis: str, lasting_s: float) -> str:
    rows = getattr(piece.target, axis)
    target = timeline.curve(timeline.seconds(rows, min(lasting_s, float(len(rows)))), lasting_s, "picture")
    predicted = affect.curve(report, axis, lasting_s, style="music")
    title = f"{axis} over time, target and prediction"
    return timeline.plane_lane(title, [target, predicted], height_em=7, beside=[label(0, axis, "name")])


def sentences(piece: LoadedPiece) -> tuple[str, ...]:
    """Plain text: the prediction, how near it is to the target, and how the piece was selected."""
    if piece.report is None:
        return (NO_PREDICTION, *_choice(piece))
    found = alignment.align(piece.report, piece.target)
    return (f"{_predicted(piece, piece.report)} {_nearness(piece, piece.report, found)}", *_choice(piece))


def _predicted(piece: LoadedPiece, report: EmotionReport) -> str:
    part = "which also selected the piece" if report.judge == piece.chosen_by else "which had no part in composing"
    whole = report.whole
    likeliest = f"the most likely quadrant is {CORNERS[whole.quadrant][-1]}, with {percent(whole.confidence)}"
    return f"The judge {report.judge}, {part}, predicts {emotion_words(whole.valence, whole.arousal)}; {likeliest}."


def _nearness(piece: LoadedPiece, report: EmotionReport, found: Alignment) -> str:
    target = piece.target
    subject = "The picture is" if target.source == "picture" else "The target is"
    return (
        f"{subject} {emotion_words(*target.points.mean(0))}. The match is {found.match.score:.2f}: "
        f"1 is full agreement, and neutral music would score {neutral(report, piece):.2f}. {_agreement(found)}"
    )


def _agreement(found: Alignment) -> str:
    how_long = {0.0: "At no time", 1.0: "All the time"}.get(
        found.quadrant, f"For {percent(found.quadrant)} of the time"
    )
    return f"{how_long} the music is in the target quadrant."


def neutral(report: EmotionReport, piece: LoadedPiece) -> float:
    """The match of a prediction that is neutral throughout: a baseline to compare a match with."""
    kept = alignment.shared(report, piece.target)
    unknown = [replace(one, valence=0.0, arousal=0.0, quadrants=(0.25,) * 4) for one in kept.windows]
    return alignment.match(replace(kept, windows=tuple(unknown)), piece.target).score


def _choice(piece: LoadedPiece) -> Iterable[str]:
    """How the piece was selected, and what limits the report."""
    if piece.chosen_by:
        candidates = counted(piece.candidates, "candidate")
        yield f"Of {candidates}, the judge {piece.chosen_by} selected the one nearest to the target."
    for remark in filter(None, (piece.remark, *(piece.report.remarks if piece.report else ()))):
        yield f"{remark[:1].upper()}{remark[1:]}."


def table(variants: Sequence[LoadedPiece], *, best: int | None = None) -> str:
    """HTML that compares variants, a row each; the one whose place is `best` is marked."""
    rows = "".join(_row(each, place == best) for place, each in enumerate(variants))
    head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADS)
    return timeline.view(
        "comparison of the variants",
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>',
        style=STYLE,
    )


def _row(piece: LoadedPiece, best: bool) -> str:
    form = piece.composition.form
    cells = [*_prediction_cells(piece), str(piece.composition.key), f"{form.tempi[0].bpm:.0f}", str(len(form.bars_s))]
    name = f"{piece.name} · best match" if best else piece.name
    cells_html = "".join(f"<td>{markup(cell)}</td>" for cell in cells)
    kind = ' class="best"' if best else ""
    return f'<tr{kind}><th scope="row">{markup(name)}</th>{cells_html}</tr>'


def _prediction_cells(piece: LoadedPiece) -> tuple[str, str, str]:
    """The prediction, the match, and the share of the time in the target quadrant."""
    if piece.report is None:
        return "no prediction", "–", "–"
    found, whole = alignment.align(piece.report, piece.target), piece.report.whole
    return emotion_words(whole.valence, whole.arousal), f"{found.match.score:.2f}", percent(found.quadrant)
