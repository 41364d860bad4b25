//! The same for C, as `include/lantern_fastio.h` declares it. No call unwinds into C; every failure is a code and a
//! text.
#![expect(unsafe_code, reason = "pointers of C")]
#![allow(clippy::missing_safety_doc, reason = "the header says what callers owe")]

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

use crate::wire::{Description, Level};
use crate::{Channel, ElementType, FastIoError, View, WritableBuffer};

const OK: c_int = 0;
const FAILED: c_int = -1;
const NO_CHANNEL: c_int = -2;
const BAD_ARGUMENT: c_int = -3;

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// A writable or published buffer and its texts as C wants them.
pub(crate) struct CBuffer {
    content: Content,
    name: CString,
    text: CString,
    shape: Vec<u64>,
    element: ElementType,
}

enum Content {
    Writable(WritableBuffer),
    Published(View),
}

impl CBuffer {
    fn new(description: &Description, content: impl FnOnce() -> Content) -> Box<Self> {
        let text = |text: &str| CString::new(text.replace('\0', " ")).unwrap_or_default();
        Box::new(Self {
            name: text(&description.name),
            text: text(&description.text),
            shape: description.shape.clone(),
            element: description.element,
            content: content(),
        })
    }
}

fn remember(text: &str) {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    LAST_ERROR.with(|last| *last.borrow_mut() = text);
}

/// The code of an error; its text is remembered with its causes.
fn failed(error: &FastIoError) -> c_int {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    remember(&text);
    match error {
        FastIoError::Refused { code, .. } => c_int::from(*code as u16),
        FastIoError::NoChannel => NO_CHANNEL,
        _ => FAILED,
    }
}

fn bad_argument(what: &str) -> c_int {
    remember(what);
    BAD_ARGUMENT
}

fn done(result: Result<(), FastIoError>) -> c_int {
    result.map_or_else(|error| failed(&error), |()| OK)
}

/// A text of C, which may be null for none.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, c_int> {
    if text.is_null() {
        return Ok("");
    }
    // SAFETY: the caller's text ends with a zero and lives through the call.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| bad_argument("a text is not UTF-8"))
}

macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(code) => return code,
        }
    };
}

/// Text of the last failure of this thread.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn lantern_fastio_error() -> *const c_char {
    LAST_ERROR.with(|last| last.borrow().as_ptr())
}

/// The operator's channel.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_connect(channel: *mut *mut Channel) -> c_int {
    if channel.is_null() {
        return bad_argument("there is no place for the channel");
    }
    match Channel::from_environment() {
        // SAFETY: the caller's place, checked above.
        Ok(made) => unsafe { channel.write(Box::into_raw(Box::new(made))) },
        Err(error) => return failed(&error),
    }
    OK
}

/// Gives up a channel.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_close(channel: *mut Channel) {
    if !channel.is_null() {
        // SAFETY: made by `lantern_fastio_connect` and not used any more.
        drop(unsafe { Box::from_raw(channel) });
    }
}

/// Memory for a buffer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_allocate(
    channel: *const Channel,
    name: *const c_char,
    element: c_int,
    rank: usize,
    shape: *const u64,
    free_text: *const c_char,
    buffer: *mut *mut CBuffer,
) -> c_int {
    // SAFETY: the caller's channel.
    let Some(channel) = (unsafe { channel.as_ref() }) else { return bad_argument("there is no channel") };
    if buffer.is_null() || rank > crate::wire::MAX_RANK || (rank > 0 && shape.is_null()) {
        return bad_argument("the shape has more than 16 lengths, or a pointer is missing");
    }
    let code = u8::try_from(element).ok().and_then(ElementType::from_code);
    let Some(element) = code else { return bad_argument("the number type is unknown") };
    // SAFETY: the caller's lengths, as many as told.
    let shape = if rank == 0 { &[] } else { unsafe { std::slice::from_raw_parts(shape, rank) } };
    // SAFETY: the caller's texts.
    let (name, free_text) = unsafe { (attempt!(text(name)), attempt!(text(free_text))) };
    match channel.allocate_as(name, element, shape, free_text) {
        Ok(made) => {
            let description = made.description().clone();
            let made = CBuffer::new(&description, || Content::Writable(made));
            // SAFETY: the caller's place, checked above.
            unsafe { buffer.write(Box::into_raw(made)) };
            OK
        }
        Err(error) => failed(&error),
    }
}

/// Makes a buffer final and visible; the buffer is gone whatever happens.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_publish(buffer: *mut CBuffer) -> c_int {
    if buffer.is_null() {
        return bad_argument("there is no buffer");
    }
    // SAFETY: made by a call of ours and not used any more.
    match unsafe { Box::from_raw(buffer) }.content {
        Content::Writable(buffer) => done(buffer.publish()),
        Content::Published(_) => bad_argument("the buffer is published already"),
    }
}

/// Opens a published buffer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_open(
    channel: *const Channel,
    name: *const c_char,
    wait_ms: u32,
    buffer: *mut *mut CBuffer,
) -> c_int {
    // SAFETY: the caller's channel.
    let Some(channel) = (unsafe { channel.as_ref() }) else { return bad_argument("there is no channel") };
    if buffer.is_null() {
        return bad_argument("there is no place for the buffer");
    }
    // SAFETY: the caller's text.
    let name = attempt!(unsafe { text(name) });
    match channel.open(name, Some(Duration::from_millis(wait_ms.into()))) {
        Ok(view) => {
            let description = view.description().clone();
            let made = CBuffer::new(&description, || Content::Published(view));
            // SAFETY: the caller's place, checked above.
            unsafe { buffer.write(Box::into_raw(made)) };
            OK
        }
        Err(error) => failed(&error),
    }
}

/// Unmaps a buffer; one that is not published is given back.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_release(buffer: *mut CBuffer) {
    if !buffer.is_null() {
        // SAFETY: made by a call of ours and not used any more.
        drop(unsafe { Box::from_raw(buffer) });
    }
}

/// First byte; read-only where the buffer was opened.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_data(buffer: *const CBuffer) -> *mut c_void {
    // SAFETY: the caller's buffer.
    match unsafe { buffer.as_ref() }.map(|buffer| &buffer.content) {
        Some(Content::Writable(buffer)) => buffer.start().cast(),
        Some(Content::Published(view)) => view.start().cast_mut().cast(),
        None => ptr::null_mut(),
    }
}

/// Bytes of the buffer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_bytes(buffer: *const CBuffer) -> u64 {
    // SAFETY: the caller's buffer.
    let len = match unsafe { buffer.as_ref() }.map(|buffer| &buffer.content) {
        Some(Content::Writable(buffer)) => buffer.len(),
        Some(Content::Published(view)) => view.len(),
        None => 0,
    };
    len as u64
}

/// The number type's code, or 0.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_element(buffer: *const CBuffer) -> c_int {
    // SAFETY: the caller's buffer.
    unsafe { buffer.as_ref() }.map_or(0, |buffer| buffer.element.code().into())
}

/// Lengths of the shape.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_rank(buffer: *const CBuffer) -> usize {
    // SAFETY: the caller's buffer.
    unsafe { buffer.as_ref() }.map_or(0, |buffer| buffer.shape.len())
}

/// The shape; lives as long as the buffer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_shape(buffer: *const CBuffer) -> *const u64 {
    // SAFETY: the caller's buffer.
    unsafe { buffer.as_ref() }.map_or(ptr::null(), |buffer| buffer.shape.as_ptr())
}

/// The name; lives as long as the buffer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_name(buffer: *const CBuffer) -> *const c_char {
    // SAFETY: the caller's buffer.
    unsafe { buffer.as_ref() }.map_or(ptr::null(), |buffer| buffer.name.as_ptr())
}

/// The producer's text; lives as long as the buffer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_text(buffer: *const CBuffer) -> *const c_char {
    // SAFETY: the caller's buffer.
    unsafe { buffer.as_ref() }.map_or(ptr::null(), |buffer| buffer.text.as_ptr())
}

/// How far the work is.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_progress(
    channel: *const Channel,
    fraction: f32,
    words: *const c_char,
) -> c_int {
    // SAFETY: the caller's channel and text.
    let Some(channel) = (unsafe { channel.as_ref() }) else { return bad_argument("there is no channel") };
    // SAFETY: the caller's text.
    let words = attempt!(unsafe { text(words) });
    done(channel.progress(fraction, words))
}

/// The real work begins.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_ready(channel: *const Channel) -> c_int {
    // SAFETY: the caller's channel.
    let Some(channel) = (unsafe { channel.as_ref() }) else { return bad_argument("there is no channel") };
    done(channel.ready())
}

/// A line for the log.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lantern_fastio_log(
    channel: *const Channel,
    level: c_int,
    words: *const c_char,
) -> c_int {
    // SAFETY: the caller's channel.
    let Some(channel) = (unsafe { channel.as_ref() }) else { return bad_argument("there is no channel") };
    let code = u8::try_from(level).ok().and_then(Level::from_code);
    let Some(level) = code else { return bad_argument("the level is unknown") };
    // SAFETY: the caller's text.
    let words = attempt!(unsafe { text(words) });
    done(channel.log(level, words))
}
