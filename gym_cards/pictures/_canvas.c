/* What plain_canvas.py does, at the speed of the memory.

   A canvas may keep what is put on it until `finish`, for which frames go one after another: each
   is drawn on and copied while it lies in the cache. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

/* More than most moves and new deals put on a frame. */
#define MOST_WAITING 16

typedef struct {
    Py_buffer picture;
    char *target;
} Patch;

typedef struct {
    PyObject_HEAD
    PyObject *frame;
    Py_buffer pixels;
    int later;
    Patch waiting[MOST_WAITING];
    Py_ssize_t count;
} Canvas;

static PyTypeObject *canvas_type;

static void
draw(const Patch *patch, Py_ssize_t pitch)
{
    const Py_buffer *picture = &patch->picture;
    const char *source = picture->buf;
    char *target = patch->target;
    Py_ssize_t width = 3 * picture->shape[1];
    for (Py_ssize_t row = 0; row < picture->shape[0]; row++) {
        /* A picture may be a part of the frame. */
        memmove(target, source, (size_t)width);
        target += pitch;
        source += picture->strides[0];
    }
}

static void
draw_waiting(Canvas *self)
{
    /* Where a picture goes with its patch anything may happen, new patches included. */
    Patch patches[MOST_WAITING];
    Py_ssize_t count = self->count;
    memcpy(patches, self->waiting, (size_t)count * sizeof(Patch));
    self->count = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        draw(&patches[i], self->pixels.strides[0]);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyBuffer_Release(&patches[i].picture);
    }
}

static int
is_picture(const Py_buffer *view)
{
    return view->ndim == 3 && strcmp(view->format, "B") == 0 && view->shape[2] == 3
           && view->strides[2] == 1 && (view->strides[1] == 3 || view->shape[1] <= 1);
}

static PyObject *
canvas_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame", "later", NULL};
    PyObject *frame;
    int later = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:Canvas", names, &frame, &later)) {
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
    self->later = later;
    return (PyObject *)self;
}

static void
canvas_dealloc(Canvas *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        PyBuffer_Release(&self->waiting[i].picture);
    }
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
    /* Numbers too large for the type are cut down to ones that are outside of any frame. */
    Py_ssize_t x = PyNumber_AsSsize_t(args[1], NULL);
    Py_ssize_t y = PyNumber_AsSsize_t(args[2], NULL);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Patch patch;
    if (PyObject_GetBuffer(args[0], &patch.picture, PyBUF_RECORDS_RO) < 0) {
        return NULL;
    }
    if (!is_picture(&patch.picture)) {
        PyErr_SetString(PyExc_ValueError,
                        "picture: expected a uint8 array of shape (height, width, 3) whose rows "
                        "are contiguous");
        PyBuffer_Release(&patch.picture);
        return NULL;
    }
    const Py_ssize_t height = patch.picture.shape[0], width = patch.picture.shape[1];
    const Py_ssize_t *room = self->pixels.shape;
    if (x < 0 || y < 0 || height > room[0] || width > room[1] || y > room[0] - height
        || x > room[1] - width) {
        PyErr_Format(PyExc_ValueError,
                     "a picture of %zd x %zd pixels at (%zd, %zd): expected one inside the frame "
                     "of %zd x %zd",
                     width, height, x, y, room[1], room[0]);
        PyBuffer_Release(&patch.picture);
        return NULL;
    }
    patch.target = (char *)self->pixels.buf + y * self->pixels.strides[0] + 3 * x;
    if (!self->later) {
        draw(&patch, self->pixels.strides[0]);
        PyBuffer_Release(&patch.picture);
        Py_RETURN_NONE;
    }
    while (self->count == MOST_WAITING) {
        draw_waiting(self);
    }
    self->waiting[self->count++] = patch;
    Py_RETURN_NONE;
}

static PyObject *
canvas_frame(Canvas *self, void *Py_UNUSED(closure))
{
    draw_waiting(self);
    return Py_NewRef(self->frame);
}

/* The canvases as a tuple, which holds them while they are drawn on. */
static PyObject *
checked(PyObject *canvases)
{
    PyObject *held = PySequence_Tuple(canvases);
    if (held == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_Size(held); i++) {
        if (!PyObject_TypeCheck(PyTuple_GetItem(held, i), canvas_type)) {
            PyErr_SetString(PyExc_TypeError, "canvases: expected a sequence of Canvas");
            Py_DECREF(held);
            return NULL;
        }
    }
    return held;
}

static PyObject *
finish(PyObject *Py_UNUSED(module), PyObject *canvases)
{
    PyObject *held = checked(canvases);
    if (held == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_Size(held); i++) {
        draw_waiting((Canvas *)PyTuple_GetItem(held, i));
    }
    Py_DECREF(held);
    Py_RETURN_NONE;
}

static PyObject *
finish_into(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *canvases, *batch;
    if (!PyArg_ParseTuple(args, "OO:finish_into", &canvases, &batch)) {
        return NULL;
    }
    PyObject *held = checked(canvases);
    if (held == NULL) {
        return NULL;
    }
    Py_buffer copy;
    if (PyObject_GetBuffer(batch, &copy, PyBUF_SIMPLE | PyBUF_WRITABLE) < 0) {
        Py_DECREF(held);
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(held), size = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t more = ((Canvas *)PyTuple_GetItem(held, i))->pixels.len;
        size = more > PY_SSIZE_T_MAX - size ? PY_SSIZE_T_MAX : size + more;
    }
    if (size != copy.len) {
        PyErr_Format(PyExc_ValueError, "batch of %zd bytes: expected %zd, as the frames have",
                     copy.len, size);
        PyBuffer_Release(&copy);
        Py_DECREF(held);
        return NULL;
    }
    char *target = copy.buf;
    for (Py_ssize_t i = 0; i < count; i++) {
        Canvas *canvas = (Canvas *)PyTuple_GetItem(held, i);
        draw_waiting(canvas);
        memcpy(target, canvas->pixels.buf, (size_t)canvas->pixels.len);
        target += canvas->pixels.len;
    }
    PyBuffer_Release(&copy);
    Py_DECREF(held);
    Py_RETURN_NONE;
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
    .name = "gym_cards.pictures._canvas.Canvas",
    .basicsize = sizeof(Canvas),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = canvas_slots,
};

static PyMethodDef functions[] = {
    {"finish", finish, METH_O, "See plain_canvas.py."},
    {"finish_into", finish_into, METH_VARARGS, "See plain_canvas.py."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_canvas", .m_size = -1, .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__canvas(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) {
        return NULL;
    }
    canvas_type = (PyTypeObject *)PyType_FromSpec(&canvas_spec);
    if (canvas_type == NULL || PyModule_AddObjectRef(module, "Canvas", (PyObject *)canvas_type) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
