"""Music in, feeling out: the valence-arousal plane, rendering of MIDI, checkpoints. Knows nothing of video."""
