"""Drawing trays of green coffee beans: forms, skin, defects, stones and sticks, the paper, the light, the camera."""
