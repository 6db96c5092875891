"""How pictures are drawn: conditions, colours, fonts, outlines of figures, and the canvas that joins them."""
