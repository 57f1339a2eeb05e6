"""Coloured digits: MNIST in red and green, as ColoredMNIST has it, by EfficientNet-Lite features."""
