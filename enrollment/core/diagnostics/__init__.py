"""What pictures of nothing tell of an imaging device: noise, dead pixels and lines, evenness. Arrays in, values out."""
