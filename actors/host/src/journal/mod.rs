//! The journal: every delivery on disk before the answer it led to, in hash-chained segments.

pub mod disk;
pub(crate) mod drafts;
mod exit;
mod gathering;
mod held;
mod keeper;
pub mod layout;
pub mod lock;
mod names;
pub mod queue;
pub mod reader;
pub mod retention;
mod shelf;
mod stock;
mod stored;
mod thread;
pub mod waiting;
mod writer;

pub use disk::{Disk, FileSystem, NewFile, Room, SegmentFile};
pub(crate) use exit::Exit;
pub use lock::Lock;
pub use queue::Appender;
pub use reader::{FileBlobs, Journal, Lines};
pub use retention::Retention;
pub(crate) use thread::{JournalThread, Parts};
pub(crate) use writer::Writer;
