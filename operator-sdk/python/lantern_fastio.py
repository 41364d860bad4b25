"""FastIO for Python: pass buffers between operators of a Lantern pipeline without copying them.

One file over the C library `liblantern_fastio.so`, which is looked for where LANTERN_FASTIO_LIBRARY says, beside this
file, and where the system looks for libraries. numpy is optional.

    import lantern_fastio

    channel = lantern_fastio.connect()
    voxels = channel.open("voxels")                  # memoryview in voxels.data, numpy array by voxels.array()
    with channel.allocate("halves", "int16", voxels.shape) as halves:
        halves.array()[...] = voxels.array() // 2
        halves.publish()                             # closes the pages to writing; no array of them may be left
    channel.progress(1.0, "done")
"""

import array
import ctypes
import ctypes.util
import os
import weakref

ELEMENTS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
_FORMATS = {"uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q", "int8": "b", "int16": "h", "int32": "i",
            "int64": "q", "float32": "f", "float64": "d"}
LEVELS = {"debug": 1, "info": 2, "warning": 3, "error": 4}
CODES = {-1: "failed", -2: "no channel", -3: "bad argument", 1: "bad frame", 2: "bad name", 3: "not found",
         4: "exists", 5: "mismatch", 6: "over budget", 7: "too many", 8: "timed out", 9: "wrong state", 10: "busy",
         11: "lost", 12: "version", 13: "system"}


class FastIoError(Exception):
    """A call failed; `code` is one of CODES."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def _load():
    named = os.environ.get("LANTERN_FASTIO_LIBRARY")
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "liblantern_fastio.so")
    path = named or (beside if os.path.exists(beside) else ctypes.util.find_library("lantern_fastio"))
    if path is None:
        raise FastIoError(-1, "liblantern_fastio.so was not found")
    library = ctypes.CDLL(path)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("error", text, []),
        ("connect", ctypes.c_int, [ctypes.POINTER(pointer)]),
        ("close", None, [pointer]),
        ("allocate", ctypes.c_int, [pointer, text, ctypes.c_int, ctypes.c_size_t, ctypes.POINTER(ctypes.c_uint64),
                                    text, ctypes.POINTER(pointer)]),
        ("publish", ctypes.c_int, [pointer]),
        ("open", ctypes.c_int, [pointer, text, ctypes.c_uint32, ctypes.POINTER(pointer)]),
        ("release", None, [pointer]),
        ("data", pointer, [pointer]),
        ("bytes", ctypes.c_uint64, [pointer]),
        ("element", ctypes.c_int, [pointer]),
        ("rank", ctypes.c_size_t, [pointer]),
        ("shape", ctypes.POINTER(ctypes.c_uint64), [pointer]),
        ("name", text, [pointer]),
        ("text", text, [pointer]),
        ("progress", ctypes.c_int, [pointer, ctypes.c_float, text]),
        ("ready", ctypes.c_int, [pointer]),
        ("log", ctypes.c_int, [pointer, ctypes.c_int, text]),
    ):
        function = getattr(library, "lantern_fastio_" + name)
        function.restype, function.argtypes = result, arguments
    return library


_library = None


def _lib():
    global _library
    if _library is None:
        _library = _load()
    return _library


def _check(code):
    if code != 0:
        raise FastIoError(code, _lib().lantern_fastio_error().decode("utf-8", "replace"))


class Buffer:
    """A buffer: writable if it was allocated, else read-only.

    `data` is a flat memoryview of its numbers (of its bytes for float16), `array()` a numpy array of its shape.
    The pages go with `publish` and `close`, which therefore refuse (code 9) as long as somebody else has either of
    them, or a part: the next buffer may lie at the same address. The buffer stays as it is then.
    """

    def __init__(self, pointer, writable):
        lib = _lib()
        self._pointer = pointer
        self.name = lib.lantern_fastio_name(pointer).decode()
        self.text = lib.lantern_fastio_text(pointer).decode()
        self.element = ELEMENTS[lib.lantern_fastio_element(pointer) - 1]
        rank = lib.lantern_fastio_rank(pointer)
        self.shape = tuple(lib.lantern_fastio_shape(pointer)[at] for at in range(rank))
        self.bytes = lib.lantern_fastio_bytes(pointer)
        self.writable = writable
        self._letter = _FORMATS.get(self.element, "B")
        if self.bytes == 0:
            self._pages = lambda: None
            self.data = self._view(memoryview(array.array(self._letter)))
        else:
            pages = (ctypes.c_ubyte * self.bytes).from_address(lib.lantern_fastio_data(pointer))
            # Every view and array holds it, also one that was made of another one.
            self._pages = weakref.ref(pages)
            self.data = self._view_of(pages)

    def _view_of(self, pages):
        return self._view(memoryview(pages).cast("B").cast(self._letter))

    def _view(self, view):
        return view if self.writable else view.toreadonly()

    def array(self):
        """A numpy array over the pages."""
        import numpy

        return numpy.frombuffer(self.data, dtype=self.element).reshape(self.shape)

    def publish(self):
        """Makes the buffer final and visible to others; its pages are gone here."""
        pointer, self._pointer = self._take(), None
        _check(_lib().lantern_fastio_publish(pointer))

    def close(self):
        """Unmaps the buffer; one that is not published is given back."""
        if self._pointer is not None:
            pointer, self._pointer = self._take(), None
            _lib().lantern_fastio_release(pointer)

    def _take(self):
        if self._pointer is None:
            raise FastIoError(-3, "the buffer is published or closed")
        self.data = None
        pages = self._pages()
        if pages is not None:
            self.data = self._view_of(pages)
            # Nor may it hang on the error's traceback.
            del pages
            raise FastIoError(9, "arrays or views of the buffer are still in use")
        return self._pointer

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.close()
        except FastIoError:
            # What went wrong inside, whose traceback may hold arrays, is what the caller wants to know.
            if kind is None:
                raise


class Channel:
    """The line to the platform."""

    def __init__(self):
        self._pointer = ctypes.c_void_p()
        _check(_lib().lantern_fastio_connect(ctypes.byref(self._pointer)))

    def allocate(self, name, element, shape, text=""):
        """Memory for an output of the definition, or for a free name; all zeroes."""
        lengths = (ctypes.c_uint64 * max(1, len(shape)))(*shape)
        pointer = ctypes.c_void_p()
        code = ELEMENTS.index(element) + 1
        _check(_lib().lantern_fastio_allocate(self._pointer, name.encode(), code, len(shape), lengths, text.encode(),
                                              ctypes.byref(pointer)))
        return Buffer(pointer, True)

    def open(self, name, wait=0.0):
        """A published buffer; `wait` seconds for a free name that others publish meanwhile."""
        pointer = ctypes.c_void_p()
        milliseconds = min(int(wait * 1000), 0xFFFFFFFF)
        _check(_lib().lantern_fastio_open(self._pointer, name.encode(), milliseconds, ctypes.byref(pointer)))
        return Buffer(pointer, False)

    def progress(self, fraction, text=""):
        """How far the work is, from 0 to 1."""
        _check(_lib().lantern_fastio_progress(self._pointer, fraction, text.encode()))

    def ready(self):
        """The real work begins."""
        _check(_lib().lantern_fastio_ready(self._pointer))

    def log(self, level, text):
        """A line for the operator's log; levels are those of LEVELS."""
        _check(_lib().lantern_fastio_log(self._pointer, LEVELS[level], text.encode()))

    def close(self):
        """Gives up the channel."""
        _lib().lantern_fastio_close(self._pointer)
        self._pointer = ctypes.c_void_p()


def connect():
    """The channel that the platform gave to this operator."""
    return Channel()
