"""Models of several libraries, each behind one interface."""
