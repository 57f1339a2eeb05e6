"""Solar cells: how likely a cell is defective, from electroluminescence images, by EfficientNet-Lite features."""
