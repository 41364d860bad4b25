//! The same calls where there is no shared memory between operators: nobody gets a channel.

use std::time::Duration;

use crate::wire::{Description, Entry, Level};
use crate::{Element, ElementType, FastIoError};

/// Never exists here: [`Channel::from_environment`] fails.
#[derive(Debug, Clone)]
pub struct Channel(std::convert::Infallible);

/// Never exists here.
#[derive(Debug)]
pub struct WritableBuffer(std::convert::Infallible);

/// Never exists here.
#[derive(Debug)]
pub struct View(std::convert::Infallible);

#[expect(missing_docs, reason = "documented where they do something")]
#[allow(clippy::missing_errors_doc, reason = "documented where they do something")]
impl Channel {
    /// Fails with [`FastIoError::Unsupported`].
    ///
    /// # Errors
    /// Always.
    pub fn from_environment() -> Result<Self, FastIoError> {
        Err(FastIoError::Unsupported)
    }

    pub fn allocate<T: Element>(&self, _: &str, _: &[u64], _: &str) -> Result<WritableBuffer, FastIoError> {
        match self.0 {}
    }

    pub fn allocate_as(
        &self,
        _: &str,
        _: ElementType,
        _: &[u64],
        _: &str,
    ) -> Result<WritableBuffer, FastIoError> {
        match self.0 {}
    }

    pub fn open(&self, _: &str, _: Option<Duration>) -> Result<View, FastIoError> {
        match self.0 {}
    }

    pub fn list(&self) -> Result<(Vec<Entry>, bool), FastIoError> {
        match self.0 {}
    }

    pub fn progress(&self, _: f32, _: &str) -> Result<(), FastIoError> {
        match self.0 {}
    }

    pub fn ready(&self) -> Result<(), FastIoError> {
        match self.0 {}
    }

    pub fn log(&self, _: Level, _: &str) -> Result<(), FastIoError> {
        match self.0 {}
    }
}

#[expect(missing_docs, reason = "documented where they do something")]
#[allow(clippy::missing_errors_doc, reason = "documented where they do something")]
impl WritableBuffer {
    pub fn description(&self) -> &Description {
        match self.0 {}
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self.0 {}
    }

    pub fn values_mut<T: Element>(&mut self) -> Result<&mut [T], FastIoError> {
        match self.0 {}
    }

    pub(crate) fn start(&self) -> *mut u8 {
        match self.0 {}
    }

    pub(crate) fn len(&self) -> usize {
        match self.0 {}
    }

    pub fn publish(self) -> Result<(), FastIoError> {
        match self.0 {}
    }
}

#[expect(missing_docs, reason = "documented where they do something")]
#[allow(clippy::missing_errors_doc, reason = "documented where they do something")]
impl View {
    pub fn description(&self) -> &Description {
        match self.0 {}
    }

    pub fn shape(&self) -> &[u64] {
        match self.0 {}
    }

    pub fn bytes(&self) -> &[u8] {
        match self.0 {}
    }

    pub fn values<T: Element>(&self) -> Result<&[T], FastIoError> {
        match self.0 {}
    }

    pub(crate) fn start(&self) -> *const u8 {
        match self.0 {}
    }

    pub(crate) fn len(&self) -> usize {
        match self.0 {}
    }
}
