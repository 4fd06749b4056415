"""The main job: everything about one point, from shared products."""
