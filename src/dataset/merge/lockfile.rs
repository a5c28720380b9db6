//! Three-way merge of `dvc.lock`: runs are merged one by one; other stages and outputs are merged if one side changed
//! them.
//!
//! Takes and returns bytes and file lists; the caller fetches and stores them. If both sides changed something in
//! different ways, it is a [`MergeConflict`]: the stage's lines are in the result twice, between git's markers, which
//! name both data versions. What cannot be parsed is an error, and the caller merges the text as git would.

mod decided;
mod sides;
mod text;
pub mod union;

use std::collections::BTreeMap;

pub use decided::{MergeDecisions, MergeSide, RunChoice};
pub use sides::{LockfileSides, MergeConflict, MergeError, MergeObjects, MergedLockfile};
use text::{assemble_lockfile, check_assembled, values_equal, with_final_newline};
use union::union_file_lists;

use crate::dataset::agreement::{UnknownSchema, compare_schemas, schemas_of};
use crate::dataset::record::set_item_version;
use crate::dataset::stage::{RUN_DIR, STAGE};
use crate::dvc::file_list::{FileEntry, FileList};
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile::{Lockfile, LockfileItem, LockfileStage};
use crate::dvc::lockfile_text;
use crate::formats::conflict_markers::{ConflictSide, write_conflict};
use crate::formats::value::ParamsValue;
use crate::run::RunKey;

/// Merges two sides of a `dvc.lock` against their common ancestor.
pub fn merge_lockfiles(
    sides: &LockfileSides<'_>,
    objects: &mut dyn MergeObjects,
) -> Result<MergedLockfile, MergeError> {
    let read = |bytes: &[u8], side: &str| {
        Lockfile::parse(bytes).map_err(|source| MergeError::Lockfile { side: side.to_owned(), source })
    };
    let (ours, theirs) = (read(sides.ours, sides.ours_name)?, read(sides.theirs, sides.theirs_name)?);
    // A virtual ancestor of a criss-cross merge can hold markers. Without an ancestor nothing is taken for deleted.
    let base = Lockfile::parse(sides.base).unwrap_or_default();
    let mut merge = LockfileMerge {
        sides,
        objects,
        conflicts: Vec::new(),
        new_lists: Vec::new(),
        added: Default::default(),
        removed: Default::default(),
        same_recordings: Vec::new(),
        decided_runs: Vec::new(),
        renamed_runs: Vec::new(),
        dropped_selection: None,
        unknown_schemas: Vec::new(),
    };

    // The frame is the text that keeps its lines; the other side's stages are put into it.
    let theirs_frames = ours.stages.is_empty() || (ours.other == base.other && theirs.other != base.other);
    let (frame, frame_bytes) = if theirs_frames { (&theirs, sides.theirs) } else { (&ours, sides.ours) };
    if ours.other != theirs.other && ours.other != base.other && theirs.other != base.other {
        return Err(MergeError::Unmergeable("both sides changed values outside the stages".into()));
    }
    let mut expected: Vec<(String, ParamsValue)> = Vec::new();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for name in stage_names([frame, &ours, &theirs]) {
        let triple = (base.stage(name), ours.stage(name), theirs.stage(name));
        lines.push(match merge.merge_stage(name, triple)? {
            StageMerge::OneSide(stage, text) => {
                expected.push((name.to_owned(), stage.to_value()));
                // The span was found in this very text.
                with_final_newline(text.get(stage.span.clone()).unwrap_or_default())
            }
            StageMerge::Merged(value) => {
                let text = lockfile_text::write_stage(name, &value).ok_or_else(|| {
                    MergeError::Unmergeable(format!("stage {name} holds a value that only DVC writes"))
                })?;
                expected.push((name.to_owned(), value));
                text.into_bytes()
            }
            StageMerge::Removed => Vec::new(),
            StageMerge::Conflict => merge.conflict_lines(triple.1, triple.2),
        });
    }
    let bytes = assemble_lockfile(frame_bytes, frame, &lines)?;
    // Only without conflicts: text with markers is not YAML.
    if merge.conflicts.is_empty() {
        check_assembled(&bytes, &expected)?;
    }
    let LockfileMerge {
        conflicts,
        new_lists,
        added,
        removed,
        same_recordings,
        decided_runs,
        renamed_runs,
        dropped_selection,
        unknown_schemas,
        ..
    } = merge;
    Ok(MergedLockfile {
        bytes,
        conflicts,
        new_lists,
        added,
        removed,
        same_recordings,
        decided_runs,
        renamed_runs,
        dropped_selection,
        unknown_schemas,
    })
}

/// The names of the stages of all lockfiles, each once, the first one's before the others'.
fn stage_names(lockfiles: [&Lockfile; 3]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for stage in lockfiles.into_iter().flat_map(|lockfile| &lockfile.stages) {
        if !names.contains(&stage.name.as_str()) {
            names.push(&stage.name);
        }
    }
    names
}

enum StageMerge<'a> {
    /// One side's, as it is written there.
    OneSide(&'a LockfileStage, &'a [u8]),
    /// Neither side's.
    Merged(ParamsValue),
    /// Deleted.
    Removed,
    /// Both sides changed it; the clashes are noted.
    Conflict,
}

type StageTriple<'a> = (Option<&'a LockfileStage>, Option<&'a LockfileStage>, Option<&'a LockfileStage>);

struct LockfileMerge<'a> {
    sides: &'a LockfileSides<'a>,
    objects: &'a mut dyn MergeObjects,
    conflicts: Vec<MergeConflict>,
    new_lists: Vec<FileList>,
    added: (Vec<RunKey>, Vec<RunKey>),
    removed: (Vec<RunKey>, Vec<RunKey>),
    same_recordings: Vec<RunKey>,
    decided_runs: Vec<(RunKey, RunChoice)>,
    renamed_runs: Vec<(RunKey, RunKey)>,
    dropped_selection: Option<(String, MergeSide)>,
    unknown_schemas: Vec<UnknownSchema>,
}

/// Both sides changed it, in different ways.
struct BothChanged;

/// The three-way rule.
fn merge_three_way<T: PartialEq>(
    base: Option<T>,
    ours: Option<T>,
    theirs: Option<T>,
) -> Result<Option<T>, BothChanged> {
    // The same change on both sides is no conflict.
    if ours == theirs || theirs == base {
        Ok(ours)
    } else if ours == base {
        Ok(theirs)
    } else {
        Err(BothChanged)
    }
}

impl<'a> LockfileMerge<'a> {
    /// As [`merge_three_way`]; if both changed it, the favoured side's.
    fn merge_or_favor<T: PartialEq + Clone>(
        &self,
        base: Option<T>,
        ours: Option<T>,
        theirs: Option<T>,
    ) -> Result<Option<T>, BothChanged> {
        merge_three_way(base, ours.clone(), theirs.clone())
            .or_else(|BothChanged| self.sides.decisions.pick_favored(ours, theirs).ok_or(BothChanged))
    }

    fn merge_stage(&mut self, name: &str, (base, ours, theirs): StageTriple<'a>) -> Result<StageMerge<'a>, MergeError> {
        let equal = |a: Option<&LockfileStage>, b: Option<&LockfileStage>| match (a, b) {
            (Some(a), Some(b)) => values_equal(&a.to_value(), &b.to_value()),
            (None, None) => true,
            _ => false,
        };
        let ours_text = |stage: Option<&'a LockfileStage>| {
            stage.map_or(StageMerge::Removed, |s| StageMerge::OneSide(s, self.sides.ours))
        };
        let theirs_text = |stage: Option<&'a LockfileStage>| {
            stage.map_or(StageMerge::Removed, |s| StageMerge::OneSide(s, self.sides.theirs))
        };
        // One side's text is kept as it is written, so that its lines do not change.
        if equal(ours, theirs) || equal(theirs, base) {
            return Ok(ours_text(ours));
        }
        if equal(ours, base) {
            return Ok(theirs_text(theirs));
        }
        let conflicts_before = self.conflicts.len();
        let value = match (ours, theirs) {
            (Some(ours), Some(theirs)) if name == STAGE => self.merge_ingest_stage(base, ours, theirs)?,
            _ => {
                if let Some(text) = self.sides.decisions.pick_favored(ours_text(ours), theirs_text(theirs)) {
                    return Ok(text);
                }
                self.add_conflict(name, "the record");
                ParamsValue::Null
            }
        };
        Ok(if self.conflicts.len() > conflicts_before { StageMerge::Conflict } else { StageMerge::Merged(value) })
    }

    fn add_conflict(&mut self, name: &str, what: &str) {
        self.conflicts.push(MergeConflict::Stage { name: name.to_owned(), what: what.to_owned() });
    }

    /// The stage that makes the dataset, which both sides ran.
    fn merge_ingest_stage(
        &mut self,
        base: Option<&LockfileStage>,
        ours: &LockfileStage,
        theirs: &LockfileStage,
    ) -> Result<ParamsValue, MergeError> {
        let mut entries = Vec::new();
        match self.merge_or_favor(base.map(|b| &b.cmd), Some(&ours.cmd), Some(&theirs.cmd)) {
            Ok(cmd) => entries.push(("cmd".to_owned(), cmd.cloned().unwrap_or(ParamsValue::Null))),
            Err(BothChanged) => self.add_conflict(STAGE, "the command"),
        }
        let deps = self.merge_items(base.map(|b| &b.deps), &ours.deps, &theirs.deps)?;
        let params = self.merge_params(base, ours, theirs);
        let outs = self.merge_items(base.map(|b| &b.outs), &ours.outs, &theirs.outs)?;
        // The order in which DVC writes the keys; an empty one is left out.
        for (key, value) in [("deps", deps), ("params", params), ("outs", outs)] {
            let empty = matches!(&value, ParamsValue::List(l) if l.is_empty())
                || matches!(&value, ParamsValue::Map(m) if m.is_empty());
            if !empty {
                entries.push((key.to_owned(), value));
            }
        }
        Ok(ParamsValue::Map(entries))
    }

    fn merge_params(
        &mut self,
        base: Option<&LockfileStage>,
        ours: &LockfileStage,
        theirs: &LockfileStage,
    ) -> ParamsValue {
        let value = |stage: &LockfileStage, file: &str, key: &str| {
            stage.params.iter().find(|(f, _)| f == file).and_then(|(_, values)| values.get(key).cloned())
        };
        let mut files: BTreeMap<String, BTreeMap<String, ParamsValue>> = BTreeMap::new();
        let mut names: Vec<(String, String)> = Vec::new();
        for (file, values) in ours.params.iter().chain(&theirs.params) {
            if let ParamsValue::Map(values) = values {
                names.extend(values.iter().map(|(key, _)| (file.clone(), key.clone())));
            }
        }
        names.sort();
        names.dedup();
        for (file, key) in names {
            let (b, o, t) =
                (base.and_then(|b| value(b, &file, &key)), value(ours, &file, &key), value(theirs, &file, &key));
            let merged_value = match merge_three_way(b, o.clone(), t.clone()) {
                Ok(merged_value) => merged_value,
                // Two selections are no conflict: the rule decides, and a note names the dropped one.
                Err(BothChanged) if key == RUN_DIR => {
                    let (kept_value, dropped, side) = match self.sides.preferred {
                        MergeSide::Ours => (o, t, MergeSide::Theirs),
                        MergeSide::Theirs => (t, o, MergeSide::Ours),
                    };
                    self.dropped_selection =
                        dropped.as_ref().and_then(ParamsValue::as_str).map(|run| (run.to_owned(), side));
                    kept_value
                }
                Err(BothChanged) => match self.sides.decisions.pick_favored(o, t) {
                    Some(favored) => favored,
                    None => {
                        self.add_conflict(STAGE, &format!("parameter {key}"));
                        None
                    }
                },
            };
            if let Some(merged_value) = merged_value {
                files.entry(file).or_default().insert(key, merged_value);
            }
        }
        // DVC puts params.yaml first, the other files by name.
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|(file, _)| file != crate::dvc::stage::PARAMS_FILE);
        ParamsValue::Map(
            files.into_iter().map(|(file, values)| (file, ParamsValue::Map(values.into_iter().collect()))).collect(),
        )
    }

    fn merge_items(
        &mut self,
        base: Option<&Vec<LockfileItem>>,
        ours: &[LockfileItem],
        theirs: &[LockfileItem],
    ) -> Result<ParamsValue, MergeError> {
        let mut paths: Vec<&str> = ours.iter().chain(theirs).map(|item| item.path.as_str()).collect();
        // DVC sorts them.
        paths.sort_unstable();
        paths.dedup();
        let mut out = Vec::new();
        for path in paths {
            let find = |items: &'_ [LockfileItem]| items.iter().find(|item| item.path == path).cloned();
            let (b, o, t) = (base.and_then(|items| find(items)), find(ours), find(theirs));
            match merge_three_way(b.as_ref(), o.as_ref(), t.as_ref()) {
                Ok(item) => out.extend(item.map(|item| item.value.clone())),
                Err(BothChanged) => match (o, t) {
                    (Some(o), Some(t)) if o.data_version().is_some() && t.data_version().is_some() => {
                        out.extend(self.merge_dataset(b.as_ref(), &o, &t)?);
                    }
                    // A file at a fixed path (figures of the selected run) is taken from the side whose selection
                    // stays.
                    (Some(o), Some(t)) if o.file_hash().is_some() && t.file_hash().is_some() => {
                        out.push(match self.sides.preferred {
                            MergeSide::Ours => o.value,
                            MergeSide::Theirs => t.value,
                        })
                    }
                    (o, t) => match self.sides.decisions.pick_favored(o, t) {
                        Some(favored) => out.extend(favored.map(|item| item.value)),
                        None => self.add_conflict(STAGE, path),
                    },
                },
            }
        }
        Ok(ParamsValue::List(out))
    }

    /// A directory that both sides changed: its runs merged.
    fn merge_dataset(
        &mut self,
        base: Option<&LockfileItem>,
        ours: &LockfileItem,
        theirs: &LockfileItem,
    ) -> Result<Option<ParamsValue>, MergeError> {
        let (Some(our_version), Some(their_version)) = (ours.data_version(), theirs.data_version()) else {
            return Ok(None);
        };
        let mut read_list = |version: DataVersion| {
            self.objects.read_file_list(version).map_err(|why| MergeError::FileList { version, why })
        };
        let (our_list, their_list) = (read_list(our_version)?, read_list(their_version)?);
        // Without the ancestor's list nothing is taken for deleted: no run is lost.
        let base_list = match base.and_then(LockfileItem::data_version) {
            Some(version) => read_list(version).unwrap_or_default(),
            None => FileList::default(),
        };
        let merged = union_file_lists(&base_list, &our_list, &their_list, self.sides.decisions);
        self.added = merged.added;
        self.removed = merged.removed;
        self.same_recordings = merged.same_recordings;
        self.decided_runs = merged.decided_runs;
        self.renamed_runs = merged.renamed_runs;
        if !merged.conflicts.is_empty() {
            self.conflicts.extend(merged.conflicts);
            return Ok(None);
        }
        let merged_list = FileList::new(merged.entries)?;
        if !self.schemas_agree(&merged_list, [&our_list, &their_list]) {
            return Ok(None);
        }
        let version = merged_list.data_version();
        let nfiles = merged_list.len() as u64;
        let size =
            self.merged_size(&merged_list, [(ours, &our_list), (theirs, &their_list)], base.map(|b| (b, &base_list)));
        // A side's own list exists already.
        if version != our_version && version != their_version {
            self.new_lists.push(merged_list);
        }
        let mut item = ours.value.clone();
        set_item_version(&mut item, version, size, Some(nfiles));
        Ok(Some(item))
    }

    /// Whether the runs of each experiment agree about their columns, those of one side with those of the other; what
    /// does not agree is a conflict.
    fn schemas_agree(&mut self, merged_list: &FileList, sides: [&FileList; 2]) -> bool {
        if self.sides.decisions.allows_schema_change || self.sides.decisions.virtual_ancestor {
            return true;
        }
        let agreement = compare_schemas(&schemas_of(merged_list), &sides.map(schemas_of), &mut |hash| {
            self.objects.read_schema(hash)
        });
        self.unknown_schemas = agreement.unknown;
        let agrees = agreement.conflicts.is_empty();
        self.conflicts.extend(agreement.conflicts.into_iter().map(MergeConflict::Schema));
        agrees
    }

    /// The merged directory's bytes. Each side's sum is known; only what differs from it must be looked up.
    fn merged_size(
        &mut self,
        merged_list: &FileList,
        sides: [(&LockfileItem, &FileList); 2],
        base: Option<(&LockfileItem, &FileList)>,
    ) -> Option<u64> {
        for (item, list) in sides.into_iter().chain(base) {
            let sum = |objects: &mut dyn MergeObjects, a: &FileList, b: &FileList| {
                let differs = |e: &&FileEntry| b.get(&e.relpath) != Some(*e);
                a.entries()
                    .iter()
                    .filter(differs)
                    .try_fold(0_u64, |sum, e| sum.checked_add(objects.object_size(e.md5)?))
            };
            let more = sum(self.objects, merged_list, list);
            let less = sum(self.objects, list, merged_list);
            if let (Some(size), Some(more), Some(less)) = (item.size, more, less) {
                return size.checked_add(more)?.checked_sub(less);
            }
        }
        // Not all files are here. The sums are enough if no file changed on both sides.
        let [(ours, our_list), (theirs, their_list)] = sides;
        let (base_size, empty) = (base.map_or(Some(0), |(item, _)| item.size)?, FileList::default());
        let base_list = base.map_or(&empty, |(_, list)| list);
        let both = |e: &&FileEntry| their_list.get(&e.relpath) == Some(*e) && base_list.get(&e.relpath) != Some(*e);
        let dropped = |e: &&FileEntry| our_list.get(&e.relpath) != Some(*e) && their_list.get(&e.relpath) != Some(*e);
        let overlap = our_list.entries().iter().any(|e| both(&e)) || base_list.entries().iter().any(|e| dropped(&e));
        let left_out =
            !self.same_recordings.is_empty() || self.decided_runs.iter().any(|(_, choice)| *choice != RunChoice::Both);
        if overlap || left_out { None } else { ours.size?.checked_add(theirs.size?)?.checked_sub(base_size) }
    }

    /// Both sides' lines between markers.
    fn conflict_lines(&self, ours: Option<&LockfileStage>, theirs: Option<&LockfileStage>) -> Vec<u8> {
        let name = |label: &str, stage: Option<&LockfileStage>| {
            let version = stage.and_then(|s| s.outs.iter().find_map(LockfileItem::data_version));
            label.to_owned() + &version.map(|v| format!(" (data {v})")).unwrap_or_default()
        };
        let text = |stage: Option<&LockfileStage>, bytes: &[u8]| {
            stage.map(|s| with_final_newline(bytes.get(s.span.clone()).unwrap_or_default())).unwrap_or_default()
        };
        let (ours_name, theirs_name) = (name(self.sides.ours_name, ours), name(self.sides.theirs_name, theirs));
        let (ours, theirs) = (text(ours, self.sides.ours), text(theirs, self.sides.theirs));
        let ours = ConflictSide { name: &ours_name, text: &ours };
        write_conflict(self.sides.marker_size, ours, ConflictSide { name: &theirs_name, text: &theirs })
    }
}

#[cfg(test)]
mod tests;
