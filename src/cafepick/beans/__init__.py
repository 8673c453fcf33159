"""From a photo to its beans: find outlines, cut crops."""
