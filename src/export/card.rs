//! `README.md`: what the dataset is, and the card that the Hugging Face Hub and `datasets` read at its beginning.

mod columns;
mod license;
mod markdown;

use std::fmt::Write;

use crate::export::metadata::DatasetMetadata;
use crate::export::set::ExportSet;
use crate::export::tables::{TableGroup, group_tables};
use crate::formats::yaml::QuoteStyle;
use crate::formats::yaml_scalar::render_scalar;
use crate::run::layout::RunStream;
use crate::support::text::format_plural;

use self::columns::show_columns;
use self::license::{hub_license, own_name};
use self::markdown::{escape_line, escape_paragraphs};

/// The name of the file in an export.
pub const CARD: &str = "README.md";

const STREAMS: [RunStream; 2] = [RunStream::Steps, RunStream::Episodes];
/// More columns than a reader of a card looks at; `schema.json` has them all.
const MAX_SHOWN_COLUMNS: usize = 200;

/// Builds the document.
#[must_use]
pub fn build_card(set: &ExportSet) -> Vec<u8> {
    let groups = group_tables(set);
    let mut out = String::from("---\n");
    add_front_matter(&mut out, &set.metadata, &groups);
    out.push_str("---\n\n");
    add_introduction(&mut out, set);
    add_loading(&mut out, &groups);
    groups.iter().for_each(|group| add_tables(&mut out, group, set));
    out.push_str(FILES);
    add_citation(&mut out, &set.metadata, set);
    out.into_bytes()
}

/// What is the same for every dataset.
const FILES: &str = "\
## Files

Each run is a folder `experiment/run_id` with what the recorder wrote, the same rows as parquet, and a manifest.
`ro-crate-metadata.json` describes all files and how they came to be (RO-Crate), `croissant.json` the tables
(Croissant). `provenance/` holds the pipeline of the commits that introduced the runs.

To check that no file was changed:

```sh
sha256sum --strict --quiet -c SHA256SUMS
```

";

fn add_front_matter(out: &mut String, metadata: &DatasetMetadata, groups: &[TableGroup]) {
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "pretty_name: {}", yaml(&one_line(&metadata.title)));
    match hub_license(&metadata.license) {
        Some(name) => {
            let _ = writeln!(out, "license: {}", yaml(name));
        }
        None => {
            let (name, link) = (own_name(&metadata.license), metadata.license.url.trim());
            let _ = writeln!(out, "license: other\nlicense_name: {}\nlicense_link: {}", yaml(&name), yaml(link));
        }
    }
    if !metadata.keywords.is_empty() {
        out.push_str("tags:\n");
        metadata.keywords.iter().for_each(|keyword| {
            let _ = writeln!(out, "- {}", yaml(&one_line(keyword)));
        });
    }
    let mut configs = String::new();
    for (group, stream) in tables_of(groups) {
        let _ = writeln!(configs, "- config_name: {}", yaml(&group.table_name(stream)));
        // `datasets` loads the default if it is not told which.
        if configs.lines().count() == 1 {
            configs.push_str("  default: true\n");
        }
        configs.push_str("  data_files:\n  - split: train\n    path:\n");
        for pattern in group.file_patterns(stream) {
            // In quotes: a bare `*` is no text in YAML.
            let _ = writeln!(configs, "    - {}", render_scalar(&pattern, QuoteStyle::Double));
        }
    }
    if !configs.is_empty() {
        let _ = write!(out, "configs:\n{configs}");
    }
}

fn add_introduction(out: &mut String, set: &ExportSet) {
    let metadata = &set.metadata;
    let _ = write!(out, "# {}\n\n{}\n\n", escape_line(&metadata.title), escape_paragraphs(&metadata.description));
    let steps = format_plural(set.runs.iter().map(|run| run.steps).sum(), "step");
    let episodes = format_plural(set.runs.iter().map(|run| run.episodes).sum(), "episode");
    let _ = match set.runs.as_slice() {
        [run] => {
            writeln!(out, "This is the run {}: {steps} in {episodes}.\n", escape_line(&run.key.to_string()))
        }
        runs => {
            writeln!(out, "These are {}: {steps} in {episodes}.\n", format_plural(count(runs), "run"))
        }
    };
}

fn add_loading(out: &mut String, groups: &[TableGroup]) {
    let mut lines = String::new();
    for (group, stream) in tables_of(groups) {
        let name = group.table_name(stream);
        // A table's name is no name of a variable if there are several groups.
        let variable = if groups.len() == 1 { format!("{name} = ") } else { String::new() };
        let _ = writeln!(lines, "{variable}load_dataset(\"path/to/this/directory\", \"{name}\", split=\"train\")");
    }
    if !lines.is_empty() {
        let _ = write!(out, "## Load\n\n```python\nfrom datasets import load_dataset\n\n{lines}```\n\n");
    }
}

fn add_tables(out: &mut String, group: &TableGroup, set: &ExportSet) {
    let Some(schema) = group.runs.first().map(|run| &run.schema) else { return };
    for stream in STREAMS {
        let row = if stream == RunStream::Steps { "step" } else { "episode" };
        let _ = write!(out, "## Table `{}`\n\nOne row for each {row}", group.table_name(stream));
        if group.runs.len() < set.runs.len() {
            let experiments = group.experiments().into_iter().map(escape_line).collect::<Vec<_>>().join(", ");
            let _ = write!(out, " of {} of {experiments}", format_plural(count(&group.runs), "run"));
        }
        out.push_str(".\n\n| column | type | unit | what it is |\n|---|---|---|---|\n");
        let columns = show_columns(schema, stream);
        for column in columns.iter().take(MAX_SHOWN_COLUMNS) {
            let unit = escape_line(column.unit.as_deref().unwrap_or_default());
            let meaning = escape_line(column.meaning.as_deref().unwrap_or_default());
            let (name, kind) = (escape_line(&column.name), escape_line(&column.kind));
            let _ = writeln!(out, "| {name} | {kind} | {unit} | {meaning} |");
        }
        if let Some(more) = columns.len().checked_sub(MAX_SHOWN_COLUMNS).filter(|more| *more > 0) {
            let _ = writeln!(out, "\n{more} more columns are in schema.json.");
        }
        out.push('\n');
    }
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

fn add_citation(out: &mut String, metadata: &DatasetMetadata, set: &ExportSet) {
    let names: Vec<&str> = metadata.creators.iter().map(|creator| creator.name.as_str()).collect();
    let year = set.published.strftime("%Y");
    let publisher = metadata.publisher.as_ref().map(|publisher| format!(" {}.", publisher.name)).unwrap_or_default();
    let citation =
        format!("{} ({year}): {}. Version {}.{publisher}", names.join("; "), metadata.title, metadata.version);
    let license = format!("{} ({})", metadata.license.name, metadata.license.id);
    let _ = write!(out, "## Cite\n\n{}\n\n`CITATION.cff` says the same for programs.\n\n", escape_line(&citation));
    let _ = writeln!(out, "## License\n\n{}: {}", escape_line(&license), escape_line(&metadata.license.url));
}

fn tables_of<'a, 'b>(groups: &'b [TableGroup<'a>]) -> impl Iterator<Item = (&'b TableGroup<'a>, RunStream)> {
    groups.iter().flat_map(|group| STREAMS.map(|stream| (group, stream)))
}

fn yaml(text: &str) -> String {
    render_scalar(text, QuoteStyle::Plain)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::export::set::sample::sample_set;
    use crate::run::schema::RunSchema;

    fn card_of(set: &ExportSet) -> String {
        String::from_utf8(build_card(set)).unwrap()
    }

    fn two_schemas() -> ExportSet {
        let declared = br#"{"format": 1, "name": "Cart | Pole", "episodes": {}, "steps": {"angle": {"dtype": "float32", "unit": "rad", "description": "a <b>\n| c"}}}"#;
        let schema = Arc::new(RunSchema::parse(declared).unwrap());
        let mut set = sample_set(&["demo/r1", "demo/r2", "other/r[1]", "other/r2"]);
        set.runs[2].schema = Arc::clone(&schema);
        set.runs[1].schema = schema;
        set
    }

    #[test]
    fn one_table_of_all_runs_is_found_by_a_pattern() {
        let card = card_of(&sample_set(&["demo/r1", "demo/r2"]));
        let front = card.split("---\n").nth(1).unwrap();
        insta::assert_snapshot!(front, @r###"
        pretty_name: 'Plume navigation runs'
        license: cc-by-4.0
        tags:
        - simulation
        configs:
        - config_name: steps
          default: true
          data_files:
          - split: train
            path:
            - "*/*/steps.parquet"
        - config_name: episodes
          data_files:
          - split: train
            path:
            - "*/*/episodes.parquet"
        "###);
        assert!(card.contains("\"steps\", split=\"train\""), "{card}");
        assert!(card.contains("| agent_x | int64 | cell | Position of the agent, x |"), "{card}");
        assert!(
            card.contains("Ada Example (2026): Plume navigation runs. Version 1.0.0. Example Institute."),
            "{card}"
        );
    }

    #[test]
    fn runs_of_other_columns_are_tables_of_their_own() {
        let card = card_of(&two_schemas());
        let front = card.split("---\n").nth(1).unwrap();
        insta::assert_snapshot!(front, @r###"
        pretty_name: 'Plume navigation runs'
        license: cc-by-4.0
        tags:
        - simulation
        configs:
        - config_name: plume-nav-sim-steps
          default: true
          data_files:
          - split: train
            path:
            - "demo/r1/steps.parquet"
            - "other/r2/steps.parquet"
        - config_name: plume-nav-sim-episodes
          data_files:
          - split: train
            path:
            - "demo/r1/episodes.parquet"
            - "other/r2/episodes.parquet"
        - config_name: Cart-Pole-steps
          data_files:
          - split: train
            path:
            - "demo/r2/steps.parquet"
            - "other/r[[]1]/steps.parquet"
        - config_name: Cart-Pole-episodes
          data_files:
          - split: train
            path:
            - "demo/r2/episodes.parquet"
            - "other/r[[]1]/episodes.parquet"
        "###);
        assert!(card.contains("a &lt;b&gt; \\| c"), "{card}");
    }

    #[test]
    fn a_text_of_strangers_has_no_effect() {
        let mut set = sample_set(&["demo/r1"]);
        set.metadata.title = "---\n<script>`x`](y): \"'🦀".into();
        set.metadata.description = "# no title\n\n- no list\n\n---\n\n```\nno code".into();
        set.metadata.license.id = "My License".into();
        let card = card_of(&set);
        let (front, body) = card.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
        insta::assert_snapshot!(front, @r###"
        pretty_name: '--- <script>`x`](y): "''🦀'
        license: other
        license_name: my-license
        license_link: 'https://creativecommons.org/licenses/by/4.0/'
        tags:
        - simulation
        configs:
        - config_name: steps
          default: true
          data_files:
          - split: train
            path:
            - "*/*/steps.parquet"
        - config_name: episodes
          data_files:
          - split: train
            path:
            - "*/*/episodes.parquet"
        "###);
        assert!(body.starts_with("\n# \\--- &lt;script&gt;\\`x\\`\\](y): \"'🦀\n\n\\# no title\n\n\\- no list\n\n\\---\n\n\\`\\`\\` no code\n\n"), "{body}");
    }

    #[test]
    fn tables_that_no_run_has_are_left_out() {
        let mut set = sample_set(&["demo/r1"]);
        set.runs[0].files.retain(|file| !file.name.ends_with(".parquet"));
        let card = card_of(&set);
        assert!(!card.contains("configs:") && !card.contains("## Load") && !card.contains("## Table"), "{card}");
    }
}
