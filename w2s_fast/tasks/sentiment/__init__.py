"""Sentiment: whether a sentence is positive, from the sentences and features of the valence task."""
