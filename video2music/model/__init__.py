"""The trained models that compose for a video: the AMT and its decoding for chords, the regressor for dynamics."""
