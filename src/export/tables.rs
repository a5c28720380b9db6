//! Which runs' tables have the same columns, so that readers can take them as one table.
//!
//! Readers refuse a table whose files differ in their columns: `datasets` does, and a Croissant record set has one list of
//! fields. Runs are of one group if each column of their steps and episodes has the same name, type, shape and unit. Patterns
//! match the files of a group and no other file of the export, whatever its name.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::export::set::{ExportSet, ExportedRun};
use crate::run::layout::{EPISODES_PARQUET, RunStream, STEPS_PARQUET};
use crate::run::schema::{Column, ColumnType, RunSchema, TableColumn, TableSource};

/// The longest label, in bytes: some readers name directories after it.
const MAX_LABEL: usize = 100;

/// Runs whose tables have the same columns.
#[derive(Debug)]
pub struct TableGroup<'a> {
    /// What tells its tables from those of other groups; `None` if there is no other.
    pub label: Option<String>,
    /// Its runs, sorted by key; at least one.
    pub runs: Vec<&'a ExportedRun>,
    /// Patterns of folders that hold these runs and no other.
    folders: [Vec<String>; 2],
}

impl TableGroup<'_> {
    /// The name of a table, unique in the export: `steps`, or `cartpole-steps` if there are several groups. It has letters,
    /// digits, `.`, `_` and `-` only.
    #[must_use]
    pub fn table_name(&self, stream: RunStream) -> String {
        match &self.label {
            Some(label) => format!("{label}-{}", stream.stem()),
            None => stream.stem().to_owned(),
        }
    }

    /// Patterns of the files of a table, relative to the export: `*/*/steps.parquet`. `*`, `?` and `[…]` have their meaning
    /// of `fnmatch`, and names that hold them are escaped.
    #[must_use]
    pub fn file_patterns(&self, stream: RunStream) -> Vec<String> {
        let [steps, episodes] = &self.folders;
        let folders = if stream == RunStream::Steps { steps } else { episodes };
        folders.iter().map(|folder| format!("{folder}/{}", table_file(stream))).collect()
    }

    /// The experiments of its runs, sorted.
    #[must_use]
    pub fn experiments(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.runs.iter().map(|run| run.key.experiment()).collect();
        names.dedup();
        names
    }
}

/// Returns the runs by the columns of their tables, in the order of each group's first run. A run without tables is in no
/// group.
#[must_use]
pub fn group_tables(set: &ExportSet) -> Vec<TableGroup<'_>> {
    let mut by_columns: BTreeMap<TableKey<'_>, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&ExportedRun>> = Vec::new();
    for run in set.runs.iter().filter(|run| has_tables(run)) {
        match by_columns.entry(table_key(&run.schema)) {
            Entry::Occupied(at) => groups.get_mut(*at.get()).into_iter().for_each(|runs| runs.push(run)),
            Entry::Vacant(at) => {
                at.insert(groups.len());
                groups.push(vec![run]);
            }
        }
    }
    let labels = if groups.len() > 1 { make_labels(&groups) } else { vec![None] };
    let make_group = |(runs, label): (Vec<_>, _)| {
        let folders = STREAMS.map(|stream| folder_patterns(set, &runs, stream));
        TableGroup { label, folders, runs }
    };
    groups.into_iter().zip(labels).map(make_group).collect()
}

/// Both streams.
pub(super) const STREAMS: [RunStream; 2] = [RunStream::Steps, RunStream::Episodes];

/// The name of a stream's table in a run's folder.
pub(super) fn table_file(stream: RunStream) -> &'static str {
    match stream {
        RunStream::Steps => STEPS_PARQUET,
        RunStream::Episodes => EPISODES_PARQUET,
    }
}

/// The type of a table's column, and what the schema says of it, if it is declared.
pub(super) fn type_of<'a>(
    schema: &'a RunSchema,
    stream: RunStream,
    column: &TableColumn,
) -> (ColumnType, Option<&'a Column>) {
    match column.source {
        TableSource::Column(index) => {
            let declared = schema.stream(stream).column(index);
            (declared.map_or(ColumnType::String, |column| column.kind), declared)
        }
        TableSource::Undeclared(kind) => (kind, None),
        TableSource::EpisodeIndex | TableSource::Count => (ColumnType::Int64, None),
        TableSource::Terminated | TableSource::Truncated => (ColumnType::Bool, None),
        TableSource::SchemaVersion
        | TableSource::Experiment
        | TableSource::RunId
        | TableSource::EpisodeId
        | TableSource::Extra => (ColumnType::String, None),
    }
}

/// What the runs of a group have in common: the columns of both tables, sorted by name.
type TableKey<'a> = [Vec<ColumnKey<'a>>; 2];

/// A column's name, type, shape and unit.
type ColumnKey<'a> = (String, &'static str, Option<&'a [usize]>, Option<&'a str>);

fn table_key(schema: &RunSchema) -> TableKey<'_> {
    STREAMS.map(|stream| {
        let key_of = |column: TableColumn| {
            let (kind, declared) = type_of(schema, stream, &column);
            let shape = declared.and_then(|declared| declared.shape.as_deref());
            (column.name, kind.as_str(), shape, declared.and_then(|declared| declared.unit.as_deref()))
        };
        let mut columns: Vec<_> = schema.table_columns(stream).into_iter().map(key_of).collect();
        columns.sort();
        columns
    })
}

fn has_tables(run: &ExportedRun) -> bool {
    STREAMS.iter().all(|stream| run.find_file(table_file(*stream)).is_some())
}

/// Returns a label for each group: its experiment; of several experiments, the name that their schemas give, else the first
/// one. A later group of the same label gets a number.
fn make_labels(groups: &[Vec<&ExportedRun>]) -> Vec<Option<String>> {
    let labels: Vec<String> = groups.iter().map(|runs| plain_label(runs)).collect();
    // Case counts for nothing on some file systems.
    let mut taken: BTreeSet<String> = labels.iter().map(|label| label.to_lowercase()).collect();
    let mut seen = BTreeSet::new();
    let unique = labels.into_iter().map(|label| {
        if seen.insert(label.to_lowercase()) {
            return Some(label);
        }
        let numbered = (2_usize..).map(|number| format!("{label}-{number}"));
        numbered.into_iter().find(|label| taken.insert(label.to_lowercase()))
    });
    unique.collect()
}

fn plain_label(runs: &[&ExportedRun]) -> String {
    let first = runs.first().map_or("", |run| run.key.experiment());
    if runs.iter().all(|run| run.key.experiment() == first) {
        return clean_label(first);
    }
    let name = runs.first().and_then(|run| run.schema.name.as_deref());
    match name.filter(|name| runs.iter().all(|run| run.schema.name.as_deref() == Some(name))) {
        Some(name) => clean_label(name),
        None => format!("{}-and-others", clean_label(first)),
    }
}

/// Returns a name with one `-` for whatever a table's name cannot have.
fn clean_label(name: &str) -> String {
    let mut label = String::new();
    for c in name.chars() {
        let c = if c.is_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        if label.len() + c.len_utf8() > MAX_LABEL {
            break;
        }
        if !(c == '-' && label.ends_with('-')) {
            label.push(c);
        }
    }
    let label = label.trim_matches(['-', '.', '_']);
    if label.is_empty() { "table".into() } else { label.into() }
}

/// Returns patterns of the folders of a group's runs: one for all, one for each experiment, or the folders themselves.
fn folder_patterns(set: &ExportSet, runs: &[&ExportedRun], stream: RunStream) -> Vec<String> {
    let mut of_group: BTreeMap<&str, Vec<&ExportedRun>> = BTreeMap::new();
    let mut of_set: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        of_group.entry(run.key.experiment()).or_default().push(run);
    }
    for run in &set.runs {
        *of_set.entry(run.key.experiment()).or_default() += 1;
    }
    let is_whole = |experiment: &str, runs: &[&ExportedRun]| {
        of_set.get(experiment) == Some(&runs.len()) && runs.iter().all(|run| is_plain(run, stream))
    };
    let are_whole = of_group.len() == of_set.len()
        && of_group.iter().all(|(experiment, runs)| !is_hidden(experiment) && is_whole(experiment, runs));
    if are_whole {
        return vec!["*/*".into()];
    }
    let mut patterns = Vec::new();
    for (experiment, runs) in &of_group {
        let folder = escape_pattern(experiment);
        if runs.len() > 1 && is_whole(experiment, runs) {
            patterns.push(format!("{folder}/*"));
        } else {
            patterns.extend(runs.iter().map(|run| format!("{folder}/{}", escape_pattern(run.key.run_id()))));
        }
    }
    patterns
}

/// Whether `*` can stand for a run's id: it matches no hidden name in `datasets`, and in Croissant every file below.
fn is_plain(run: &ExportedRun, stream: RunStream) -> bool {
    let table = table_file(stream);
    let is_below = |name: &str| name.rsplit_once('/').is_some_and(|(_, last)| last == table);
    !is_hidden(run.key.run_id()) && !run.files.iter().any(|file| is_below(&file.name))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("__")
}

/// Escapes what has a meaning in a pattern, and the colon, which `datasets` takes for the end of a URL's scheme.
fn escape_pattern(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '*' | '?' | '[' | ':' => out.extend(['[', c, ']']),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::export::set::ExportedFile;
    use crate::export::set::sample::sample_set;

    /// A set in which each run declares these columns of steps; plume-nav-sim's runs have an empty text.
    fn set_of(runs: &[(&str, &str)]) -> ExportSet {
        let keys: Vec<&str> = runs.iter().map(|(key, _)| *key).collect();
        let mut set = sample_set(&keys);
        for (run, (_, columns)) in set.runs.iter_mut().zip(runs) {
            if !columns.is_empty() {
                let text = format!("{{\"format\": 1, \"steps\": {{{columns}}}}}");
                run.schema = Arc::new(RunSchema::parse(text.as_bytes()).unwrap());
            }
        }
        set
    }

    fn names(set: &ExportSet) -> Vec<String> {
        group_tables(set).iter().map(|group| group.table_name(RunStream::Steps)).collect()
    }

    fn patterns(set: &ExportSet) -> Vec<Vec<String>> {
        group_tables(set).iter().map(|group| group.file_patterns(RunStream::Steps)).collect()
    }

    const METRES: &str = r#""x": {"dtype": "float64", "unit": "m"}"#;
    const FEET: &str = r#""x": {"dtype": "float64", "unit": "ft"}"#;
    const SINGLE: &str = r#""x": {"dtype": "float32", "unit": "m"}"#;
    const PAIR: &str = r#""x": {"dtype": "float64", "shape": [2], "unit": "m"}"#;
    const DESCRIBED: &str =
        r#""x": {"dtype": "float64", "unit": "m", "description": "where", "max": 3, "nullable": true}"#;

    #[test]
    fn runs_of_the_same_columns_are_one_table() {
        let set = set_of(&[("a/r1", ""), ("b/r1", ""), ("b/r2", "")]);
        assert_eq!(names(&set), ["steps"]);
        assert_eq!(patterns(&set), [["*/*/steps.parquet"]]);
        assert_eq!(group_tables(&set)[0].file_patterns(RunStream::Episodes), ["*/*/episodes.parquet"]);
        // What a table does not show, and the order of the columns, make no difference.
        let other = format!("{DESCRIBED}, \"y\": {{\"dtype\": \"int64\"}}");
        let turned = format!("\"y\": {{\"dtype\": \"int64\"}}, {METRES}");
        assert_eq!(names(&set_of(&[("a/r1", &other), ("b/r1", &turned)])), ["steps"]);
    }

    #[test]
    fn types_shapes_and_units_part_tables() {
        let set = set_of(&[("a/r1", METRES), ("b/r1", FEET), ("c/r1", SINGLE), ("d/r1", PAIR), ("e/r1", "")]);
        assert_eq!(names(&set), ["a-steps", "b-steps", "c-steps", "d-steps", "e-steps"]);
        assert_eq!(patterns(&set)[0], ["a/r1/steps.parquet"]);
    }

    #[test]
    fn labels_are_of_experiments_and_unique() {
        let set = set_of(&[
            ("Spring/r1", METRES),
            ("nav/r1", ""),
            ("plume/r1", ""),
            ("spring 2/r1", FEET),
            ("spring-2/r2", PAIR),
            ("spring/r3", SINGLE),
            ("spring/r4", METRES),
        ]);
        assert_eq!(
            names(&set),
            ["Spring-and-others-steps", "plume-nav-sim-steps", "spring-2-steps", "spring-2-2-steps", "spring-steps"]
        );
        let set = set_of(&[("s/r1", METRES), ("s/r2", FEET), ("s-2/r1", PAIR), ("S/r1", SINGLE)]);
        assert_eq!(names(&set), ["s-steps", "s-3-steps", "s-2-steps", "S-4-steps"]);
        for (name, label) in [
            ("räder 実験", "räder-実験"),
            ("a#b%c[x]", "a-b-c-x"),
            ("[*]", "table"),
            (".x", "x"),
            ("__x__", "x"),
            (&"ü".repeat(120), &"ü".repeat(50)),
        ] {
            assert_eq!(clean_label(name), label);
        }
    }

    #[test]
    fn patterns_match_the_runs_of_a_group_alone() {
        let set = set_of(&[("a/r1", ""), ("a/r2", ""), ("b/r1", METRES), ("b/r2", FEET), ("c[1]/*", FEET)]);
        assert_eq!(
            patterns(&set),
            [
                vec!["a/*/steps.parquet"],
                vec!["b/r1/steps.parquet"],
                vec!["b/r2/steps.parquet", "c[[]1]/[*]/steps.parquet"]
            ]
        );
        assert_eq!(escape_pattern("a:b?c]"), "a[:]b[?]c]");
    }

    #[test]
    fn no_wildcard_stands_for_hidden_names_or_has_files_below() {
        let set = set_of(&[("a/r1", ""), ("a/__r2", ""), ("b/r1", ""), ("b/r2", ""), ("c/r1", ""), ("c/r2", "")]);
        let expected = ["a/r1/steps.parquet", "a/__r2/steps.parquet", "b/*/steps.parquet", "c/*/steps.parquet"];
        assert_eq!(patterns(&set), [expected]);
        assert_eq!(patterns(&set_of(&[(".a/r1", ""), (".a/r2", ""), ("b/r1", "")]))[0][0], ".a/*/steps.parquet");
        let mut set = set_of(&[("a/r1", ""), ("a/r2", "")]);
        set.runs[1].files.push(ExportedFile { name: "old/steps.parquet".into(), bytes: 1, sha256: "0".repeat(64) });
        assert_eq!(patterns(&set), [["a/r1/steps.parquet", "a/r2/steps.parquet"]]);
        assert_eq!(group_tables(&set)[0].file_patterns(RunStream::Episodes), ["*/*/episodes.parquet"]);
    }

    #[test]
    fn a_run_without_tables_is_in_no_group() {
        let mut set = set_of(&[("a/r1", ""), ("a/r2", "")]);
        set.runs[1].files.retain(|file| file.name != "episodes.parquet");
        assert_eq!(patterns(&set), [["a/r1/steps.parquet"]]);
        set.runs.remove(0);
        assert!(group_tables(&set).is_empty());
    }
}
