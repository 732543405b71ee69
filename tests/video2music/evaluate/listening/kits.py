"""Listening kits without clips: a key drawn from a seed, and tables of answers to it."""

import csv
import io

import numpy as np

from video2music.evaluate.listening import kit
from video2music.evaluate.listening.trials import ANSWER_COLUMNS, ListeningTrial, TrialKey


def drawn_key(clips=4, *, seed=0, picture=True):
    """A key of so many clips, shuffled as a kit is."""
    rng = np.random.default_rng(seed)
    trials = []
    for number, turn in enumerate(kit.draw_order(clips, rng), start=1):
        systems = ("a", "b") if turn.a_first else ("b", "a")
        media = tuple(f"m{turn.pair}{system}.mp4" for system in systems)
        repeats = None if turn.repeats is None else turn.repeats + 1
        trials.append(ListeningTrial(number, f"clip{turn.pair}", systems, media, picture, repeats))
    return TrialKey("0123456789ab", ("ours", "theirs"), seed, tuple(trials), {f"clip{n}": -23.0 for n in range(clips)})


def said(trial, choice):
    """What a listener ticks who means a system, or no difference."""
    return "same" if choice == "same" else "12"[trial.systems.index(choice)]


def rows(key, listener, choose, *, certain="sure", comment=""):
    """A row for each trial that `choose(trial, question)` gives a, b or same for; None leaves a trial out."""
    found = []
    for trial in key.trials:
        choices = {question: choose(trial, question) for question in trial.questions}
        if None not in choices.values():
            ticked = {question: said(trial, choice) for question, choice in choices.items()}
            row = {"kit": key.kit, "listener": listener, "trial": trial.number, "certain": certain, "comment": comment}
            found.append([{**row, **ticked}.get(column, "") for column in ANSWER_COLUMNS])
    return found


def table(path, found, *, header=ANSWER_COLUMNS):
    """Write rows as the page does: CRLF at the ends of lines."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *found])
    path.write_text(text.getvalue(), newline="")
    return path
