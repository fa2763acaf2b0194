"""The builder of the course: from a day's lecture, script and animation to everything that a learner gets."""
