//! The names in JSON output: each means one thing, whichever command prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Names that had several kinds of values before this was held: none is renamed, because scripts read them.
const OF_SEVERAL_KINDS: [&str; 41] = [
    "a",
    "b",
    "cache",
    "changed",
    "commits",
    "config",
    "declared",
    "episodes",
    "erased",
    "error",
    "figures",
    "files",
    "findings",
    "format",
    "in_dataset",
    "left_out",
    "max",
    "mean",
    "merge_drivers",
    "metadata",
    "min",
    "notes",
    "path",
    "recorded",
    "remote",
    "remotes",
    "removed",
    "runs",
    "schema",
    "seeds",
    "settings",
    "severity",
    "shared",
    "signed",
    "state",
    "steps",
    "system",
    "tags",
    "value",
    "values",
    "versions",
];

/// The kind of a value, without `null`: unknown values of every kind are.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap().to_owned();
    }
    if let Some(parts) = schema["anyOf"].as_array() {
        let kinds: BTreeSet<String> = parts.iter().filter(|part| part["type"] != "null").map(kind).collect();
        return kinds.into_iter().collect::<Vec<_>>().join(" or ");
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => vec!["any"],
    };
    let kinds = names.into_iter().map(|name| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        name => name.to_owned(),
    });
    kinds.collect::<Vec<_>>().join(" or ")
}

fn collect(schema: &Value, file: &str, found: &mut BTreeMap<String, BTreeMap<String, BTreeSet<String>>>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            found.entry(name.clone()).or_default().entry(kind(property)).or_default().insert(file.to_owned());
        }
    }
    match schema {
        Value::Object(members) => members.values().for_each(|member| collect(member, file, found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, file, found)),
        _ => {}
    }
}

#[test]
fn a_name_means_one_thing_in_every_command() {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")).unwrap() {
        let path = file.unwrap().path();
        let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        collect(&schema, path.file_stem().unwrap().to_str().unwrap(), &mut found);
    }
    let several: BTreeMap<_, _> = found.iter().filter(|(_, kinds)| kinds.len() > 1).collect();
    let new: BTreeMap<_, _> = several.iter().filter(|(name, _)| !OF_SEVERAL_KINDS.contains(&name.as_str())).collect();
    assert!(new.is_empty(), "call one of each by another name: {new:#?}");
    let settled: Vec<_> = OF_SEVERAL_KINDS.iter().filter(|name| !several.contains_key(&(**name).to_owned())).collect();
    assert!(settled.is_empty(), "they have one kind now: {settled:?}");
    // What is about a run: `docs/json.md` says what each of them means.
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    for name in ["run", "run_id", "start_time", "commit", "data_version", "config_hash", "bytes", "fetch", "run_count"]
    {
        assert!(found.get(name).is_some_and(|kinds| kinds.len() == 1), "{name}: {:?}", found.get(name));
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/json.md");
    }
}
