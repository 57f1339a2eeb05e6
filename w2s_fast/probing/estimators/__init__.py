"""Kinds of fits, one file each: a new one is a module beside these, and a line in the registry."""
