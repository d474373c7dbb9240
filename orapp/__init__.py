"""orapp: outlines acute vertebral fractures in live fluoroscopy. Research use only."""

__version__ = "0.1.0"
