"""Other people's windows: what a window manager and other programs do to the program's window.

Without a window manager, as under xvfb-run, a program's window is a child of the root.
"""

import ctypes
import ctypes.util
from ctypes import POINTER, byref, c_int, c_long, c_uint, c_ulong, c_void_p


class XServer:
    """A connection of our own to the X server of $DISPLAY.

    Raises:
        OSError: there is none.
    """

    def __init__(self) -> None:
        self._x = x = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
        x.XOpenDisplay.restype = c_void_p
        x.XDefaultRootWindow.restype = x.XCreateSimpleWindow.restype = c_ulong
        display = x.XOpenDisplay(None)
        if not display:
            raise OSError("the X server does not answer")
        self._display = c_void_p(display)
        self._root = c_ulong(x.XDefaultRootWindow(self._display))
        self._handler = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)(lambda *_: 0)
        x.XSetErrorHandler(self._handler)  # a window may go while we ask for it
        x.XInternAtom.restype = c_ulong
        self._pid = c_ulong(x.XInternAtom(self._display, b"_NET_WM_PID", 0))
        self._cover = c_ulong(0)

    def find(self, pid: int) -> int:
        """The shown window of this process; 0 if there is none."""
        root, parent, count = c_ulong(), c_ulong(), c_uint()
        children = POINTER(c_ulong)()
        self._x.XQueryTree(
            self._display, self._root, byref(root), byref(parent), byref(children), byref(count)
        )
        mine = [children[k] for k in range(count.value) if self._owner(children[k]) == pid]
        if count.value:
            self._x.XFree(children)
        return mine[-1] if mine else 0

    def _owner(self, window: int) -> int:
        """Process of a window by what it says itself; 0 if it doesn't."""
        kind, form, count, rest = c_ulong(), c_int(), c_ulong(), c_ulong()
        value = POINTER(c_ulong)()
        self._x.XGetWindowProperty(
            self._display,
            c_ulong(window),
            self._pid,
            *(c_long(0), c_long(1), c_int(0), c_ulong(0)),
            *(byref(kind), byref(form), byref(count), byref(rest), byref(value)),
        )
        if not count.value:
            return 0
        pid = int(value[0])
        self._x.XFree(value)
        return pid

    def place(self, window: int, x: int, y: int, width: int, height: int) -> None:
        """Moves and resizes it."""
        place = (c_int(x), c_int(y), c_uint(width), c_uint(height))
        self._x.XMoveResizeWindow(self._display, c_ulong(window), *place)
        self._x.XSync(self._display, 0)

    def hide(self, window: int) -> None:
        """Takes it off the screen."""
        self._x.XUnmapWindow(self._display, c_ulong(window))
        self._x.XSync(self._display, 0)

    def show(self, window: int) -> None:
        """Puts it back."""
        self._x.XMapRaised(self._display, c_ulong(window))
        self._x.XSync(self._display, 0)

    def cover(self, width: int, height: int) -> None:
        """Lays a grey window over everything."""
        self.uncover()
        size = (c_int(0), c_int(0), c_uint(width), c_uint(height), c_uint(0))
        grey = (c_ulong(0), c_ulong(0x606060))
        self._cover = c_ulong(self._x.XCreateSimpleWindow(self._display, self._root, *size, *grey))
        self._x.XMapRaised(self._display, self._cover)
        self._x.XSync(self._display, 0)

    def uncover(self) -> None:
        """Takes the grey window away."""
        if self._cover.value:
            self._x.XDestroyWindow(self._display, self._cover)
            self._x.XSync(self._display, 0)
            self._cover = c_ulong(0)

    def close(self) -> None:
        """Ends the connection."""
        self.uncover()
        self._x.XCloseDisplay(self._display)
