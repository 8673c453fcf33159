"""Whole jobs that join the stages: gather subjects, teach a model, check photos. They print nothing."""
