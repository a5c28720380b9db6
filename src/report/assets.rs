//! The files that every page is made of, and how the modules become one script. What they do is in `page/`.

/// The template.
pub const TEMPLATE: &str = include_str!("page/page.html");
/// The charts.
pub const CHART_LIBRARY: &str = include_str!("page/vendor/uplot/uPlot.iife.min.js");
/// The charts' style, then the page's.
pub const STYLES: [&str; 2] = [include_str!("page/vendor/uplot/uPlot.min.css"), include_str!("page/style.css")];
/// The modules by name, each behind those that it imports.
pub const MODULES: &[(&str, &str)] = &[
    ("format.js", include_str!("page/js/format.js")),
    ("dom.js", include_str!("page/js/dom.js")),
    ("statistics.js", include_str!("page/js/statistics.js")),
    ("data.js", include_str!("page/js/data.js")),
    ("address.js", include_str!("page/js/address.js")),
    ("state.js", include_str!("page/js/state.js")),
    ("filters.js", include_str!("page/js/filters.js")),
    ("groups.js", include_str!("page/js/groups.js")),
    ("app.js", include_str!("page/js/app.js")),
    ("table.js", include_str!("page/js/table.js")),
    ("runs_tools.js", include_str!("page/js/runs_tools.js")),
    ("runs.js", include_str!("page/js/runs.js")),
    ("series.js", include_str!("page/js/series.js")),
    ("curves.js", include_str!("page/js/curves.js")),
    ("charts.js", include_str!("page/js/charts.js")),
    ("paths.js", include_str!("page/js/paths.js")),
    ("episodes.js", include_str!("page/js/episodes.js")),
    ("run.js", include_str!("page/js/run.js")),
    ("scales.js", include_str!("page/js/scales.js")),
    ("ticks.js", include_str!("page/js/ticks.js")),
    ("compare_curves.js", include_str!("page/js/compare_curves.js")),
    ("differences.js", include_str!("page/js/differences.js")),
    ("scatter.js", include_str!("page/js/scatter.js")),
    ("parallel.js", include_str!("page/js/parallel.js")),
    ("compare.js", include_str!("page/js/compare.js")),
    ("history.js", include_str!("page/js/history.js")),
    ("theme.js", include_str!("page/js/theme.js")),
    ("main.js", include_str!("page/js/main.js")),
];

/// Joins modules into the text of one script, in which no name is visible from outside.
#[must_use]
pub fn join_modules<'a>(modules: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("\"use strict\";\n(() => {\n");
    for module in modules {
        let mut is_import = false;
        for line in module.lines() {
            is_import |= line.starts_with("import ");
            if is_import {
                is_import = !line.trim_end().ends_with(';');
                continue;
            }
            out.push_str(line.strip_prefix("export ").unwrap_or(line));
            out.push('\n');
        }
    }
    out.push_str("})();\n");
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn imports_and_the_word_export_are_left_out() {
        let modules = [
            "// one\nexport function a() {\n  return \"export b\";\n}\n",
            "import { a } from \"./one.js\";\nimport {\n  b,\n} from \"./two.js\";\n\nexport const c = a();\n",
        ];
        assert_eq!(
            join_modules(modules),
            "\"use strict\";\n(() => {\n// one\nfunction a() {\n  return \"export b\";\n}\n\nconst c = a();\n})();\n"
        );
    }

    #[test]
    fn every_module_is_listed_and_can_be_joined() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/page/js");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".js"))
            .collect();
        files.sort();
        let mut listed: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
        let mut declared: BTreeMap<&str, &str> = BTreeMap::new();
        for (at, (name, text)) in MODULES.iter().enumerate() {
            check_module(name, text, &listed[..at]);
            for word in text.lines().filter_map(declared_name) {
                let other = declared.insert(word, name);
                assert!(other.is_none(), "`{word}` is declared in {name} and in {}", other.unwrap_or_default());
            }
        }
        listed.sort_unstable();
        assert_eq!(listed, files);
    }

    /// Imports stand at the top and name modules that come before; nothing is exported but declarations.
    fn check_module(name: &str, text: &str, before: &[&str]) {
        let mut is_at_top = true;
        let mut statement = String::new();
        for line in text.lines() {
            if line.starts_with("import ") || !statement.is_empty() {
                assert!(is_at_top, "{name}: an import is not at the top: {line}");
                statement.push_str(line);
                if line.trim_end().ends_with(';') {
                    let from = statement.rsplit_once("from \"./").map(|(_, from)| from.trim_end_matches("\";"));
                    let from = from.unwrap_or_else(|| panic!("{name}: {statement}"));
                    assert!(before.contains(&from), "{name} imports {from}, which is not listed before it");
                    assert!(!statement.contains(" as ") && !statement.contains('*'), "{name}: {statement}");
                    statement.clear();
                }
                continue;
            }
            let is_comment = line.starts_with("//") || line.starts_with("/*") || line.starts_with(" *");
            is_at_top &= line.is_empty() || is_comment;
            if let Some(rest) = line.strip_prefix("export") {
                let kinds = [" function ", " async function ", " const ", " let ", " class "];
                assert!(kinds.iter().any(|kind| rest.starts_with(kind)), "{name}: {line}");
            }
            assert!(!line.contains("import(") || is_comment || line.contains("@"), "{name}: {line}");
        }
    }

    fn declared_name(line: &str) -> Option<&str> {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let kinds = ["function ", "async function ", "const ", "let ", "class "];
        let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
        Some(rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').next().unwrap_or_default())
    }

    #[test]
    fn no_asset_ends_its_element() {
        let script = join_modules(MODULES.iter().map(|(_, text)| *text));
        for text in [script.as_str(), CHART_LIBRARY] {
            let lower = text.to_ascii_lowercase();
            assert!(!lower.contains("</script") && !lower.contains("<script") && !lower.contains("<!--"));
        }
        for text in STYLES {
            assert!(!text.to_ascii_lowercase().contains("</style"));
        }
        // Nothing of them comes from elsewhere.
        for text in [script.as_str(), CHART_LIBRARY, STYLES[0], STYLES[1], TEMPLATE] {
            assert!(!text.contains("@import") && !text.contains("url(http") && !text.contains("src="));
        }
    }
}
