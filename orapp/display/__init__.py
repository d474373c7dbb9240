"""The surgeon's window; the only room for Qt."""
