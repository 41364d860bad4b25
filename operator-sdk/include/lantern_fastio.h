/* FastIO: what operators of a Lantern pipeline use to pass buffers to each other without copying them, and to tell
 * how far they are. The protocol and its rules are in docs/fastio.md.
 *
 * Link with -llantern_fastio (shared or static). Every int is 0 or a code below; lantern_fastio_error() has the words.
 * All texts are UTF-8; a null pointer is an empty text. Calls may come from any thread; a buffer belongs to one thread
 * at a time. Only one process of an operator may ask for buffers at a time.
 *
 *   lantern_fastio *channel;
 *   lantern_fastio_buffer *buffer;
 *   uint64_t shape[] = {3, 512, 512};
 *   if (lantern_fastio_connect(&channel)) die(lantern_fastio_error());
 *   if (lantern_fastio_allocate(channel, "voxels", LANTERN_INT16, 3, shape, "HU", &buffer)) die(...);
 *   fill(lantern_fastio_data(buffer), lantern_fastio_bytes(buffer));
 *   if (lantern_fastio_publish(buffer)) die(...);
 */
#ifndef LANTERN_FASTIO_H
#define LANTERN_FASTIO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lantern_fastio lantern_fastio;
typedef struct lantern_fastio_buffer lantern_fastio_buffer;

enum lantern_fastio_element {
    LANTERN_UINT8 = 1,
    LANTERN_UINT16 = 2,
    LANTERN_UINT32 = 3,
    LANTERN_UINT64 = 4,
    LANTERN_INT8 = 5,
    LANTERN_INT16 = 6,
    LANTERN_INT32 = 7,
    LANTERN_INT64 = 8,
    LANTERN_FLOAT16 = 9,
    LANTERN_FLOAT32 = 10,
    LANTERN_FLOAT64 = 11
};

enum lantern_fastio_level {
    LANTERN_DEBUG = 1,
    LANTERN_INFO = 2,
    LANTERN_WARNING = 3,
    LANTERN_ERROR = 4
};

enum lantern_fastio_code {
    LANTERN_OK = 0,
    LANTERN_FAILED = -1,       /* the channel is broken, or memory could not be mapped */
    LANTERN_NO_CHANNEL = -2,   /* the program was not started by a platform with FastIO */
    LANTERN_BAD_ARGUMENT = -3,
    LANTERN_BAD_FRAME = 1,
    LANTERN_BAD_NAME = 2,
    LANTERN_NOT_FOUND = 3,     /* nothing is published under the name */
    LANTERN_EXISTS = 4,        /* the name is taken */
    LANTERN_MISMATCH = 5,      /* type or shape are not those of the definition */
    LANTERN_OVER_BUDGET = 6,
    LANTERN_TOO_MANY = 7,
    LANTERN_TIMED_OUT = 8,
    LANTERN_WRONG_STATE = 9,   /* not allocated here, or still mapped for writing somewhere */
    LANTERN_BUSY = 10,
    LANTERN_LOST = 11,         /* what kept the buffers is gone, and they with it */
    LANTERN_VERSION = 12,
    LANTERN_SYSTEM = 13
};

/* Words for the last failure of this thread; valid until its next call. */
const char *lantern_fastio_error(void);

/* The channel that the platform gave to this operator. */
int lantern_fastio_connect(lantern_fastio **channel);
void lantern_fastio_close(lantern_fastio *channel);

/* Memory for a buffer, all zeroes, slowest index first. `name` is an output of the definition or a free name. */
int lantern_fastio_allocate(const lantern_fastio *channel, const char *name, int element, size_t rank,
                            const uint64_t *shape, const char *text, lantern_fastio_buffer **buffer);

/* Makes the buffer final and visible to others. The buffer and its data are gone for this program, whatever happens;
 * open it again to read it. */
int lantern_fastio_publish(lantern_fastio_buffer *buffer);

/* A published buffer, read-only: an input of the definition (`name` or `operator/output`), an own output, or a free
 * name, for which others are given `wait_ms` to publish it. */
int lantern_fastio_open(const lantern_fastio *channel, const char *name, uint32_t wait_ms,
                        lantern_fastio_buffer **buffer);

/* Unmaps a buffer. One that was allocated and not published is given back. */
void lantern_fastio_release(lantern_fastio_buffer *buffer);

/* Of any buffer; pointers are valid as long as it is. Data that was opened must not be written. */
void *lantern_fastio_data(const lantern_fastio_buffer *buffer);
uint64_t lantern_fastio_bytes(const lantern_fastio_buffer *buffer);
int lantern_fastio_element(const lantern_fastio_buffer *buffer);
size_t lantern_fastio_rank(const lantern_fastio_buffer *buffer);
const uint64_t *lantern_fastio_shape(const lantern_fastio_buffer *buffer);
const char *lantern_fastio_name(const lantern_fastio_buffer *buffer);
const char *lantern_fastio_text(const lantern_fastio_buffer *buffer);

/* How far the work is, from 0 to 1; that the real work begins; a line for the operator's log. */
int lantern_fastio_progress(const lantern_fastio *channel, float fraction, const char *text);
int lantern_fastio_ready(const lantern_fastio *channel);
int lantern_fastio_log(const lantern_fastio *channel, int level, const char *text);

#ifdef __cplusplus
}
#endif

#endif
