//! Three-way merge of `dvc.lock`: the dataset's runs are united, other stages and outputs merge where one side changed.
//!
//! Bytes and directory listings in, bytes and listings out; the caller fetches and stores. What both sides changed in
//! different ways is a [`Clash`]: the stage's lines stand in the result twice, between git's markers, which name both data
//! versions. What is not understood is an error, and the caller merges the text as git would.

mod decided;
mod text;
pub mod union;

use std::collections::BTreeMap;

pub use decided::{Choice, Decided, Prefer};
use text::{assemble, complete, prove, same};
use union::unite;

use crate::dvc::file_list::{Entry, Listing, ListingError};
use crate::dvc::hash::{DataVersion, Oid};
use crate::dvc::lockfile::{Item, Lock, LockError, LockedStage};
use crate::dvc::lockfile_text;
use crate::dvc::stage::{RUN_DIR, STAGE};
use crate::formats::value::Value;
use crate::run::RunKey;

/// The three versions and how to call the sides.
pub struct Sides<'a> {
    /// The common ancestor; empty where there is none.
    pub base: &'a [u8],
    /// The current side.
    pub ours: &'a [u8],
    /// The other side.
    pub theirs: &'a [u8],
    /// The current side's name, for markers and messages: `HEAD`.
    pub ours_name: &'a str,
    /// The other side's.
    pub theirs_name: &'a str,
    /// How many characters a marker has.
    pub marker: usize,
    /// Whose selection stands.
    pub prefer: Prefer,
    /// What was decided about what both changed.
    pub decided: &'a Decided,
}

/// Something that both sides changed in different ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clash {
    /// A run's files.
    Run(RunKey),
    /// A file in the dataset that belongs to no run.
    File(String),
    /// Something else in a stage.
    Stage {
        /// The stage.
        name: String,
        /// What in it: `cmd`, a dependency, a parameter, an output.
        what: String,
    },
}

impl std::fmt::Display for Clash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(key) => write!(f, "both sides have other files in run {key}"),
            Self::File(path) => write!(f, "both sides changed {path} in the dataset"),
            Self::Stage { name, what } => write!(f, "both sides changed {what} of stage {name}"),
        }
    }
}

/// A merged `dvc.lock`.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The file's bytes; with conflict markers where `clashes` is not empty.
    pub bytes: Vec<u8>,
    /// What could not be merged.
    pub clashes: Vec<Clash>,
    /// Directories that no side had: to be put into the cache before the file is used.
    pub listings: Vec<Listing>,
    /// The runs that only one side added: ours, theirs.
    pub added: (Vec<RunKey>, Vec<RunKey>),
    /// Runs whose recorder files are the same on both sides, and what was made of them is not: ours stand.
    pub alike: Vec<RunKey>,
    /// Runs that both sides changed and that a decision settles, each with what it was.
    pub settled: Vec<(RunKey, Choice)>,
    /// Runs whose other side's files stand beside them, each with the name that those have.
    pub kept: Vec<(RunKey, RunKey)>,
    /// The selection that did not stand, with the side it came from.
    pub other_selection: Option<(String, Prefer)>,
}

/// A merge that cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of the three is not understood.
    #[error("{side}: {source}")]
    Lock {
        /// Whose.
        side: String,
        /// What is wrong.
        source: LockError,
    },
    /// A side's directory object cannot be had.
    #[error("the list of files of data version {version} is not to be had: {why}")]
    Listing {
        /// Which.
        version: DataVersion,
        /// Why not.
        why: String,
    },
    /// A merged directory that is none.
    #[error(transparent)]
    United(#[from] ListingError),
    /// Text that cannot be put together.
    #[error("{0}")]
    Text(String),
}

/// Where listings and sizes come from.
pub trait Objects {
    /// The listing of a data version, fetched if need be. The error says why it cannot be had.
    fn listing(&mut self, version: DataVersion) -> Result<Listing, String>;
    /// The bytes that a file has, where that is known here.
    fn size(&mut self, oid: Oid) -> Option<u64>;
}

/// Merges.
pub fn merge(sides: &Sides<'_>, objects: &mut dyn Objects) -> Result<Merged, MergeError> {
    let read = |bytes: &[u8], side: &str| {
        Lock::parse(bytes).map_err(|source| MergeError::Lock { side: side.to_owned(), source })
    };
    let (ours, theirs) = (read(sides.ours, sides.ours_name)?, read(sides.theirs, sides.theirs_name)?);
    // A virtual ancestor of a criss-cross merge can hold markers. Without an ancestor nothing is taken for deleted.
    let base = Lock::parse(sides.base).unwrap_or_default();
    let mut work = Work {
        sides,
        objects,
        clashes: Vec::new(),
        listings: Vec::new(),
        added: Default::default(),
        alike: Vec::new(),
        settled: Vec::new(),
        kept: Vec::new(),
        other: None,
    };

    // The frame is the text that keeps its lines; the other side's stages are put into it.
    let theirs_frames = ours.stages.is_empty() || (ours.other == base.other && theirs.other != base.other);
    let (frame, frame_bytes) = if theirs_frames { (&theirs, sides.theirs) } else { (&ours, sides.ours) };
    if ours.other != theirs.other && ours.other != base.other && theirs.other != base.other {
        return Err(MergeError::Text("both sides changed what is beside the stages".into()));
    }
    let mut names: Vec<&str> = frame.stages.iter().map(|s| s.name.as_str()).collect();
    for stage in ours.stages.iter().chain(&theirs.stages) {
        if !names.contains(&stage.name.as_str()) {
            names.push(&stage.name);
        }
    }
    let mut want: Vec<(String, Value)> = Vec::new();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for name in names {
        let three = (base.stage(name), ours.stage(name), theirs.stage(name));
        lines.push(match work.stage(name, three)? {
            Resolved::Same(stage, text) => {
                want.push((name.to_owned(), stage.to_value()));
                complete(text.get(stage.span.clone()).unwrap_or_default())
            }
            Resolved::New(value) => {
                let text = lockfile_text::stage(name, &value)
                    .ok_or_else(|| MergeError::Text(format!("stage {name} holds a value that only DVC writes")))?;
                want.push((name.to_owned(), value));
                text.into_bytes()
            }
            Resolved::Gone => Vec::new(),
            Resolved::Clash => work.marked(three.1, three.2),
        });
    }
    let bytes = assemble(frame_bytes, frame, &lines)?;
    if work.clashes.is_empty() {
        prove(&bytes, &want)?;
    }
    let Work { clashes, listings, added, alike, settled, kept, other, .. } = work;
    Ok(Merged { bytes, clashes, listings, added, alike, settled, kept, other_selection: other })
}

enum Resolved<'a> {
    /// One side's, as it is written there.
    Same(&'a LockedStage, &'a [u8]),
    /// Neither side's.
    New(Value),
    /// Deleted.
    Gone,
    /// Both sides changed it; the clashes are noted.
    Clash,
}

type Three<'a> = (Option<&'a LockedStage>, Option<&'a LockedStage>, Option<&'a LockedStage>);

struct Work<'a> {
    sides: &'a Sides<'a>,
    objects: &'a mut dyn Objects,
    clashes: Vec<Clash>,
    listings: Vec<Listing>,
    added: (Vec<RunKey>, Vec<RunKey>),
    alike: Vec<RunKey>,
    settled: Vec<(RunKey, Choice)>,
    kept: Vec<(RunKey, RunKey)>,
    other: Option<(String, Prefer)>,
}

/// The three-way rule: `Err` where both sides changed it, in different ways.
fn three<T: PartialEq>(base: Option<T>, ours: Option<T>, theirs: Option<T>) -> Result<Option<T>, ()> {
    if ours == theirs || theirs == base {
        Ok(ours)
    } else if ours == base {
        Ok(theirs)
    } else {
        Err(())
    }
}

impl<'a> Work<'a> {
    /// The same; where both changed it, the favoured side's.
    fn three<T: PartialEq + Clone>(
        &self,
        base: Option<T>,
        ours: Option<T>,
        theirs: Option<T>,
    ) -> Result<Option<T>, ()> {
        three(base, ours.clone(), theirs.clone()).or_else(|()| self.sides.decided.pick(ours, theirs).ok_or(()))
    }

    fn stage(&mut self, name: &str, (base, ours, theirs): Three<'a>) -> Result<Resolved<'a>, MergeError> {
        let equal = |a: Option<&LockedStage>, b: Option<&LockedStage>| match (a, b) {
            (Some(a), Some(b)) => same(&a.to_value(), &b.to_value()),
            (None, None) => true,
            _ => false,
        };
        let ours_text =
            |stage: Option<&'a LockedStage>| stage.map_or(Resolved::Gone, |s| Resolved::Same(s, self.sides.ours));
        let theirs_text =
            |stage: Option<&'a LockedStage>| stage.map_or(Resolved::Gone, |s| Resolved::Same(s, self.sides.theirs));
        if equal(ours, theirs) || equal(theirs, base) {
            return Ok(ours_text(ours));
        }
        if equal(ours, base) {
            return Ok(theirs_text(theirs));
        }
        let before = self.clashes.len();
        let value = match (ours, theirs) {
            (Some(ours), Some(theirs)) if name == STAGE => self.capture(base, ours, theirs)?,
            _ => {
                if let Some(text) = self.sides.decided.pick(ours_text(ours), theirs_text(theirs)) {
                    return Ok(text);
                }
                self.clash(name, "the record");
                Value::Null
            }
        };
        Ok(if self.clashes.len() > before { Resolved::Clash } else { Resolved::New(value) })
    }

    fn clash(&mut self, name: &str, what: &str) {
        self.clashes.push(Clash::Stage { name: name.to_owned(), what: what.to_owned() });
    }

    /// The stage that makes the dataset, which both sides ran.
    fn capture(
        &mut self,
        base: Option<&LockedStage>,
        ours: &LockedStage,
        theirs: &LockedStage,
    ) -> Result<Value, MergeError> {
        let mut entries = Vec::new();
        match self.three(base.map(|b| &b.cmd), Some(&ours.cmd), Some(&theirs.cmd)) {
            Ok(cmd) => entries.push(("cmd".to_owned(), cmd.cloned().unwrap_or(Value::Null))),
            Err(()) => self.clash(STAGE, "the command"),
        }
        let deps = self.items(base.map(|b| &b.deps), &ours.deps, &theirs.deps)?;
        let params = self.params(base, ours, theirs);
        let outs = self.items(base.map(|b| &b.outs), &ours.outs, &theirs.outs)?;
        for (key, value) in [("deps", deps), ("params", params), ("outs", outs)] {
            let empty =
                matches!(&value, Value::List(l) if l.is_empty()) || matches!(&value, Value::Map(m) if m.is_empty());
            if !empty {
                entries.push((key.to_owned(), value));
            }
        }
        Ok(Value::Map(entries))
    }

    fn params(&mut self, base: Option<&LockedStage>, ours: &LockedStage, theirs: &LockedStage) -> Value {
        let value = |stage: &LockedStage, file: &str, key: &str| {
            stage.params.iter().find(|(f, _)| f == file).and_then(|(_, values)| values.get(key).cloned())
        };
        let mut files: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        let mut names: Vec<(String, String)> = Vec::new();
        for (file, values) in ours.params.iter().chain(&theirs.params) {
            if let Value::Map(values) = values {
                names.extend(values.iter().map(|(key, _)| (file.clone(), key.clone())));
            }
        }
        names.sort();
        names.dedup();
        for (file, key) in names {
            let (b, o, t) =
                (base.and_then(|b| value(b, &file, &key)), value(ours, &file, &key), value(theirs, &file, &key));
            let merged = match three(b, o.clone(), t.clone()) {
                Ok(merged) => merged,
                Err(()) if key == RUN_DIR => {
                    let (kept, dropped, side) = match self.sides.prefer {
                        Prefer::Ours => (o, t, Prefer::Theirs),
                        Prefer::Theirs => (t, o, Prefer::Ours),
                    };
                    self.other = dropped.as_ref().and_then(Value::as_str).map(|run| (run.to_owned(), side));
                    kept
                }
                Err(()) => match self.sides.decided.pick(o, t) {
                    Some(favored) => favored,
                    None => {
                        self.clash(STAGE, &format!("parameter {key}"));
                        None
                    }
                },
            };
            if let Some(merged) = merged {
                files.entry(file).or_default().insert(key, merged);
            }
        }
        // DVC puts params.yaml first, the other files by name.
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|(file, _)| file != crate::dvc::stage::PARAMS_FILE);
        Value::Map(files.into_iter().map(|(file, values)| (file, Value::Map(values.into_iter().collect()))).collect())
    }

    fn items(&mut self, base: Option<&Vec<Item>>, ours: &[Item], theirs: &[Item]) -> Result<Value, MergeError> {
        let mut paths: Vec<&str> = ours.iter().chain(theirs).map(|item| item.path.as_str()).collect();
        // DVC sorts them.
        paths.sort_unstable();
        paths.dedup();
        let mut out = Vec::new();
        for path in paths {
            let find = |items: &'_ [Item]| items.iter().find(|item| item.path == path).cloned();
            let (b, o, t) = (base.and_then(|items| find(items)), find(ours), find(theirs));
            match three(b.as_ref(), o.as_ref(), t.as_ref()) {
                Ok(item) => out.extend(item.map(|item| item.all.clone())),
                Err(()) => match (o, t) {
                    (Some(o), Some(t)) if o.version().is_some() && t.version().is_some() => {
                        out.extend(self.directory(b.as_ref(), &o, &t)?);
                    }
                    // A file at a fixed path (figures of the selected run) goes with the selection.
                    (Some(o), Some(t)) if o.oid().is_some() && t.oid().is_some() => out.push(match self.sides.prefer {
                        Prefer::Ours => o.all,
                        Prefer::Theirs => t.all,
                    }),
                    (o, t) => match self.sides.decided.pick(o, t) {
                        Some(favored) => out.extend(favored.map(|item| item.all)),
                        None => self.clash(STAGE, path),
                    },
                },
            }
        }
        Ok(Value::List(out))
    }

    /// A directory that both sides changed: its runs united.
    fn directory(&mut self, base: Option<&Item>, ours: &Item, theirs: &Item) -> Result<Option<Value>, MergeError> {
        let (Some(our_version), Some(their_version)) = (ours.version(), theirs.version()) else { return Ok(None) };
        let mut get =
            |version: DataVersion| self.objects.listing(version).map_err(|why| MergeError::Listing { version, why });
        let (our_list, their_list) = (get(our_version)?, get(their_version)?);
        // Without the ancestor's list nothing is taken for deleted: no run is lost.
        let base_list = match base.and_then(Item::version) {
            Some(version) => get(version).unwrap_or_default(),
            None => Listing::default(),
        };
        let united = unite(&base_list, &our_list, &their_list, self.sides.decided);
        self.added = united.added;
        self.alike = united.alike;
        self.settled = united.settled;
        self.kept = united.kept;
        if !united.clashes.is_empty() {
            self.clashes.extend(united.clashes);
            return Ok(None);
        }
        let listing = Listing::new(united.entries)?;
        let version = listing.version();
        let nfiles = listing.len() as i128;
        let size = self.size(&listing, [(ours, &our_list), (theirs, &their_list)], base.map(|b| (b, &base_list)));
        if version != our_version && version != their_version {
            self.listings.push(listing);
        }
        let mut entries = match &ours.all {
            Value::Map(entries) => entries.clone(),
            _ => Vec::new(),
        };
        for (key, value) in &mut entries {
            match key.as_str() {
                "md5" => *value = Value::Str(version.to_string()),
                "nfiles" => *value = Value::Int(nfiles),
                "size" => *value = size.map_or(Value::Null, |n| Value::Int(n.into())),
                _ => {}
            }
        }
        entries.retain(|(key, value)| key != "size" || *value != Value::Null);
        Ok(Some(Value::Map(entries)))
    }

    /// The united directory's bytes. Each side's sum is known; only what differs from it must be looked up.
    fn size(
        &mut self,
        listing: &Listing,
        sides: [(&Item, &Listing); 2],
        base: Option<(&Item, &Listing)>,
    ) -> Option<u64> {
        for (item, list) in sides.into_iter().chain(base) {
            let sum = |objects: &mut dyn Objects, a: &Listing, b: &Listing| {
                let differs = |e: &&Entry| b.get(&e.relpath) != Some(*e);
                a.entries().iter().filter(differs).try_fold(0_u64, |sum, e| sum.checked_add(objects.size(e.md5)?))
            };
            let more = sum(self.objects, listing, list);
            let less = sum(self.objects, list, listing);
            if let (Some(size), Some(more), Some(less)) = (item.size, more, less) {
                return size.checked_add(more)?.checked_sub(less);
            }
        }
        // Not all files are here. The sums are enough where no file changed on both sides.
        let [(ours, our_list), (theirs, their_list)] = sides;
        let (base_size, empty) = (base.map_or(Some(0), |(item, _)| item.size)?, Listing::default());
        let base_list = base.map_or(&empty, |(_, list)| list);
        let both = |e: &&Entry| their_list.get(&e.relpath) == Some(*e) && base_list.get(&e.relpath) != Some(*e);
        let dropped = |e: &&Entry| our_list.get(&e.relpath) != Some(*e) && their_list.get(&e.relpath) != Some(*e);
        let overlap = our_list.entries().iter().any(|e| both(&e)) || base_list.entries().iter().any(|e| dropped(&e));
        let left_out = !self.alike.is_empty() || self.settled.iter().any(|(_, choice)| *choice != Choice::Both);
        if overlap || left_out { None } else { ours.size?.checked_add(theirs.size?)?.checked_sub(base_size) }
    }

    /// Both sides' lines between markers.
    fn marked(&self, ours: Option<&LockedStage>, theirs: Option<&LockedStage>) -> Vec<u8> {
        let marker = |c: char, label: &str, stage: Option<&LockedStage>| {
            let version = stage.and_then(|s| s.outs.iter().find_map(Item::version));
            let version = version.map(|v| format!(" (data {v})")).unwrap_or_default();
            format!("{} {label}{version}", c.to_string().repeat(self.sides.marker)).trim_end().to_owned() + "\n"
        };
        let text = |stage: Option<&LockedStage>, bytes: &[u8]| {
            stage.map(|s| complete(bytes.get(s.span.clone()).unwrap_or_default())).unwrap_or_default()
        };
        [
            marker('<', self.sides.ours_name, ours).into_bytes(),
            text(ours, self.sides.ours),
            marker('=', "", None).into_bytes(),
            text(theirs, self.sides.theirs),
            marker('>', self.sides.theirs_name, theirs).into_bytes(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests;
