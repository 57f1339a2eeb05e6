"""Sums over rows that come block by block, and merge: moments and Gram matrices."""
