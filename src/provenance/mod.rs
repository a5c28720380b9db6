//! The record that ties a commit to a run: commit trailers and run tags, written and read in one place.
//!
//! A [`Record`] stands in a commit message as four trailers and in a tag's message as the same lines with row counts.
//! [`tag_name`] and [`parse_tag`] turn a run's name into a ref and back: what a ref cannot hold is %-escaped, what is too long
//! for one is shortened.

mod escape;
mod names;
mod record;

pub use names::{TagName, is_tag_of, parse_tag, tag_name};
pub use record::{Record, is_trailer, parse, tag_message};

/// What every run tag's name starts with.
pub const TAG_PREFIX: &str = "capture/";
