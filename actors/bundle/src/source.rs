//! Where the files of a bundle come from, as far as this crate needs to know.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

/// What came of reading one file.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Missed>> + Send + 'a>>;

/// A place that holds the files of a bundle: `metadata/…` and `targets/…`. The host has one for
/// HTTPS; [`Directory`](crate::Directory) is one for directories and mounted ConfigMaps.
pub trait Source: Debug + Send + Sync {
    /// Reads a file of at most `limit` bytes. It must end within bounded time, and must not hold
    /// more than `limit` bytes in memory, whatever the other side sends.
    fn file<'a>(&'a self, path: &'a str, limit: u64) -> Reading<'a>;
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// It is known not to be there.
    Absent,
    /// It could not be read, or not to its end; why.
    Failed(String),
    /// It is longer than it may be.
    Oversize,
}
