"""Offline work: simulate, train, evaluate, export. Imports orapp, never the reverse."""
