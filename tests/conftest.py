"""Settings and fixtures that every test may use."""

from hypothesis import settings

# Two cores shared by many workers: a slow example says nothing about the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
