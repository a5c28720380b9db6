//! What `dvc.lock` records of our dataset: its data version, and from which selection it was made.

use crate::dataset::stage::{OUT_DIR, RUN_DIR, STAGE};
use crate::dvc::hash::DataVersion;
use crate::dvc::lockfile::{Lockfile, LockfileStage};
use crate::formats::ParamsValue;
use crate::run::include::{SETTING_FILE, SETTING_KEY};

/// What `dvc.lock` says about the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRecord {
    /// The data version.
    pub version: DataVersion,
    /// The dataset's directory, relative to the project.
    pub out_dir: String,
    /// The run that was selected when DVC made it.
    pub run_dir: Option<String>,
    /// The dataset's size in bytes.
    pub size: Option<u64>,
    /// How many files it holds.
    pub nfiles: Option<u64>,
    /// The command that made it.
    pub cmd: String,
    /// Which files beside the recorder's were taken; `None` if the stage did not depend on that.
    pub include: Option<Vec<String>>,
}

impl DatasetRecord {
    /// What a lock file says; `None` if it knows no dataset.
    #[must_use]
    pub fn from_lockfile(lockfile: &Lockfile) -> Option<Self> {
        let stage = ingest_stage(lockfile)?;
        let named = stage.param(OUT_DIR).and_then(ParamsValue::as_str).and_then(|dir| stage.out(dir));
        // A lock file that does not record the parameter: the first directory is the dataset.
        let item = named.or_else(|| stage.outs.iter().find(|item| item.data_version().is_some()))?;
        Some(Self {
            version: item.data_version()?,
            out_dir: item.path.trim_end_matches('/').to_owned(),
            run_dir: selected_run_dir(lockfile).map(str::to_owned),
            size: item.size,
            nfiles: item.nfiles,
            cmd: match &stage.cmd {
                ParamsValue::Str(cmd) => cmd.clone(),
                other => other.to_string(),
            },
            include: recorded_patterns(&stage.params),
        })
    }
}

/// What DVC recorded of the stage that makes the dataset.
#[must_use]
pub fn ingest_stage(lockfile: &Lockfile) -> Option<&LockfileStage> {
    lockfile.stage(STAGE)
}

/// The run that was selected when the stage last ran.
#[must_use]
pub fn selected_run_dir(lockfile: &Lockfile) -> Option<&str> {
    ingest_stage(lockfile)?.param(RUN_DIR)?.as_str()
}

/// Changes the data version in DVC's record of a stage, a map as [`LockfileStage::to_value`] makes it.
pub fn set_version(
    stage: &mut ParamsValue,
    out_dir: &str,
    version: DataVersion,
    size: Option<u64>,
    nfiles: Option<u64>,
) {
    let ParamsValue::Map(entries) = stage else { return };
    for (_, outs) in entries.iter_mut().filter(|(key, _)| key == "outs") {
        let ParamsValue::List(outs) = outs else { continue };
        for out in outs {
            let path = out.get("path").and_then(ParamsValue::as_str);
            if path.is_some_and(|path| path.trim_end_matches('/') == out_dir) {
                set_item_version(out, version, size, nfiles);
            }
        }
    }
}

/// Changes the data version in DVC's record of an output.
pub fn set_item_version(item: &mut ParamsValue, version: DataVersion, size: Option<u64>, nfiles: Option<u64>) {
    let ParamsValue::Map(entries) = item else { return };
    let number = |value: Option<u64>| value.map_or(ParamsValue::Null, |number| ParamsValue::Int(number.into()));
    for (key, value) in entries.iter_mut() {
        match key.as_str() {
            "md5" => *value = ParamsValue::Str(version.to_string()),
            "size" => *value = number(size),
            "nfiles" => *value = number(nfiles),
            _ => {}
        }
    }
    // No number rather than a wrong one.
    entries.retain(|(_, value)| *value != ParamsValue::Null);
}

/// The patterns that a stage's recorded parameters hold; `None` if the stage did not depend on them.
fn recorded_patterns(params: &[(String, ParamsValue)]) -> Option<Vec<String>> {
    let (_, values) = params.iter().find(|(file, _)| file == SETTING_FILE)?;
    // DVC writes a dotted name as one key.
    let ParamsValue::List(patterns) = values.get(SETTING_KEY).or_else(|| values.at_path(SETTING_KEY))? else {
        return None;
    };
    patterns.iter().map(|pattern| pattern.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_data_version_and_the_selection_are_read() {
        let text = "schema: '2.0'\nstages:\n  capture_ingest:\n    cmd: capture-hook ingest\n    params:\n      params.yaml:\n        ingest_capture.out_dir: data/captures\n        ingest_capture.run_dir: results/demo/r1\n    outs:\n    - path: data/captures\n      hash: md5\n      md5: d41d8cd98f00b204e9800998ecf8427e.dir\n      size: 12\n      nfiles: 7\n";
        let record = DatasetRecord::from_lockfile(&Lockfile::parse(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(record.version.to_string(), "d41d8cd98f00b204e9800998ecf8427e.dir");
        assert_eq!((record.out_dir.as_str(), record.run_dir.as_deref()), ("data/captures", Some("results/demo/r1")));
        assert_eq!((record.size, record.nfiles, record.include), (Some(12), Some(7), None));
        let other = Lockfile::parse(text.replace("capture_ingest", "other").as_bytes()).unwrap();
        assert_eq!(DatasetRecord::from_lockfile(&other), None);
    }

    #[test]
    fn patterns_are_read_from_a_lockfile_in_either_form() {
        let list = ParamsValue::List(vec![ParamsValue::Str("*.mp4".into())]);
        let file = |value: ParamsValue| vec![(SETTING_FILE.to_owned(), value)];
        let dotted = file(ParamsValue::Map(vec![(SETTING_KEY.to_owned(), list.clone())]));
        let nested =
            file(ParamsValue::Map(vec![("ingest".to_owned(), ParamsValue::Map(vec![("include".to_owned(), list)]))]));
        for params in [dotted, nested] {
            assert_eq!(recorded_patterns(&params).unwrap(), ["*.mp4"]);
        }
        assert_eq!(recorded_patterns(&[]), None);
    }
}
