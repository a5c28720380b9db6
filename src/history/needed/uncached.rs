//! Outputs that `dvc.yaml` keeps out of the cache (`cache: false`): `dvc.lock` names them as any other, and no list of theirs
//! is anywhere.

use std::path::Path;

use super::FoundAt;
use crate::dvc::stage;
use crate::formats::ParamsValue;
use crate::formats::yaml::{self, YamlNode};
use crate::git::Repo;
use crate::support::beneath::RootDir;
use crate::support::limits;

/// Whether the `dvc.yaml` beside a `dvc.lock` says so of an output, in the same commit. False if that is not known.
pub(super) fn is_uncached(repo: &Repo, found: &FoundAt, out: &str) -> bool {
    let dir = Path::new(&found.path).parent().unwrap_or(Path::new(""));
    let path = dir.join(stage::FILE);
    let text = match &found.commit {
        Some(commit) => {
            let entry = path.to_str().and_then(|path| repo.entry_at(commit, path).ok().flatten());
            entry.and_then(|entry| repo.read_blob(&entry.id).ok())
        }
        None => repo.top().ok().and_then(|top| RootDir::new(top).read(&path, limits::TEXT).ok().flatten()),
    };
    let parsed = text.and_then(|text| yaml::parse_document(&text).ok().flatten());
    !out.is_empty() && parsed.is_some_and(|root| says_uncached(&root, out))
}

/// Whether a mapping `OUT: {cache: false}` stands in it.
fn says_uncached(node: &YamlNode, out: &str) -> bool {
    let is_false =
        |value: &YamlNode| value.get("cache").is_some_and(|cache| cache.to_value() == Some(ParamsValue::Bool(false)));
    node.entries().into_iter().flatten().any(|(key, value)| {
        key.text().is_some_and(|key| key.trim_end_matches('/') == out.trim_end_matches('/')) && is_false(value)
            || says_uncached(value, out)
    }) || node.items().into_iter().flatten().any(|item| says_uncached(item, out))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cache_false_is_found_in_stages_metrics_and_plots() {
        let says = |text: &str| says_uncached(&yaml::parse_document(text.as_bytes()).unwrap().unwrap(), "plots");
        assert!(says("stages:\n  a:\n    cmd: x\n    plots:\n    - plots/:\n        cache: false\n"));
        assert!(says("stages:\n  a:\n    outs: [{plots: {cache: false, persist: true}}]\n"));
        for text in
            ["stages:\n  a:\n    outs: [plots]\n", "outs: [{plots: {cache: true}}]", "outs: [{other: {cache: false}}]"]
        {
            assert!(!says(text), "{text}");
        }
    }
}
