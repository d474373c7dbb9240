"""Simulated radiographs and fluoroscopy of fractured and healthy spines, from one public CT."""
