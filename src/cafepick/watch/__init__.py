"""Watching a camera: frames -> beans followed from frame to frame -> one verdict a bean, before it leaves the frame."""
