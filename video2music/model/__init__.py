"""Chords and dynamics from what was seen: the AMT, its decoding, the regressor."""
