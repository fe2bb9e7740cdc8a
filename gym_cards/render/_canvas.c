/* Compiled twin of plain_canvas.py.

   A step puts a few small pictures on a frame, and checking and slicing arrays in Python takes
   about as long as moving their pixels. Only that overhead is saved here: how memory is copied is
   left to the C library. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    PyObject *frame;
    Py_buffer pixels;
} Canvas;

static int
is_picture(const Py_buffer *view)
{
    return view->ndim == 3 && strcmp(view->format, "B") == 0 && view->shape[2] == 3
           && view->strides[2] == 1 && (view->strides[1] == 3 || view->shape[1] <= 1);
}

/* Whether the memory from the first to the last row of a picture meets that of the frame. */
static int
overlaps(const Py_buffer *picture, const Py_buffer *frame)
{
    if (picture->len == 0) {
        return 0;
    }
    const char *first = picture->buf, *start = frame->buf;
    const char *last = first + (picture->shape[0] - 1) * picture->strides[0];
    const char *low = first < last ? first : last, *high = first < last ? last : first;
    return low < start + frame->len && high + 3 * picture->shape[1] > start;
}

static PyObject *
canvas_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame", NULL};
    PyObject *frame;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Canvas", names, &frame)) {
        return NULL;
    }
    Canvas *self = (Canvas *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(frame, &self->pixels, PyBUF_RECORDS) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (!is_picture(&self->pixels) || !PyBuffer_IsContiguous(&self->pixels, 'C')) {
        PyErr_SetString(PyExc_ValueError,
                        "frame: expected a contiguous uint8 array of shape (height, width, 3)");
        Py_DECREF(self);
        return NULL;
    }
    self->frame = Py_NewRef(frame);
    return (PyObject *)self;
}

static void
canvas_dealloc(Canvas *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->pixels.obj != NULL) {
        PyBuffer_Release(&self->pixels);
    }
    Py_XDECREF(self->frame);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *
canvas_put(Canvas *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "put() takes a picture, x and y: got %zd arguments", count);
        return NULL;
    }
    /* Integers that do not fit are clipped, and then lie outside any frame. */
    Py_ssize_t x = PyNumber_AsSsize_t(args[1], NULL);
    Py_ssize_t y = PyNumber_AsSsize_t(args[2], NULL);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_buffer picture;
    if (PyObject_GetBuffer(args[0], &picture, PyBUF_RECORDS_RO) < 0) {
        return NULL;
    }
    if (!is_picture(&picture)) {
        PyErr_SetString(PyExc_ValueError,
                        "picture: expected a uint8 array of shape (height, width, 3) with "
                        "contiguous rows");
        PyBuffer_Release(&picture);
        return NULL;
    }
    const Py_ssize_t height = picture.shape[0], width = picture.shape[1];
    const Py_ssize_t *room = self->pixels.shape;
    if (x < 0 || y < 0 || height > room[0] || width > room[1] || y > room[0] - height
        || x > room[1] - width) {
        PyErr_Format(PyExc_ValueError,
                     "a picture of %zd x %zd pixels at (%zd, %zd): expected one inside the frame "
                     "of %zd x %zd",
                     width, height, x, y, room[1], room[0]);
        PyBuffer_Release(&picture);
        return NULL;
    }
    const char *source = picture.buf;
    char *target = (char *)self->pixels.buf + y * self->pixels.strides[0] + 3 * x;
    Py_ssize_t step = picture.strides[0];
    char *copied = NULL;
    if (overlaps(&picture, &self->pixels)) {
        copied = PyMem_Malloc((size_t)picture.len);
        if (copied == NULL || PyBuffer_ToContiguous(copied, &picture, picture.len, 'C') < 0) {
            PyMem_Free(copied);
            PyBuffer_Release(&picture);
            return PyErr_Occurred() ? NULL : PyErr_NoMemory();
        }
        source = copied;
        step = 3 * width;
    }
    for (Py_ssize_t row = 0; row < height; row++) {
        memcpy(target, source, (size_t)(3 * width));
        target += self->pixels.strides[0];
        source += step;
    }
    PyMem_Free(copied);
    PyBuffer_Release(&picture);
    Py_RETURN_NONE;
}

static PyObject *
canvas_frame(Canvas *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->frame);
}

static PyMethodDef canvas_methods[] = {
    {"put", (PyCFunction)(void (*)(void))canvas_put, METH_FASTCALL, "See plain_canvas.py."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef canvas_attributes[] = {
    {"frame", (getter)canvas_frame, NULL, "See plain_canvas.py.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot canvas_slots[] = {
    {Py_tp_doc, "See plain_canvas.py."},
    {Py_tp_new, canvas_new},
    {Py_tp_dealloc, canvas_dealloc},
    {Py_tp_methods, canvas_methods},
    {Py_tp_getset, canvas_attributes},
    {0, NULL},
};

static PyType_Spec canvas_spec = {
    .name = "gym_cards.render._canvas.Canvas",
    .basicsize = sizeof(Canvas),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = canvas_slots,
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_canvas", .m_size = -1,
};

PyMODINIT_FUNC
PyInit__canvas(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyObject *canvas = module == NULL ? NULL : PyType_FromSpec(&canvas_spec);
    if (canvas == NULL || PyModule_AddObjectRef(module, "Canvas", canvas) < 0) {
        Py_CLEAR(module);
    }
    Py_XDECREF(canvas);
    return module;
}
