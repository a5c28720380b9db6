#![allow(clippy::unwrap_used)]

use super::*;
use crate::dvc::stage::OutKind;

const REFERENCE: &str = "stages:\n  capture_ingest:\n    cmd: capture-hook ingest\n    params:\n    - ingest_capture.run_dir\n    - ingest_capture.out_dir\n    outs:\n    - ${ingest_capture.out_dir}:\n        persist: true\n";
const PARAMS: &str = "ingest_capture:\n  run_dir: results/demo/r1\n  out_dir: data/captures\n";

#[test]
fn the_reference_stage_is_resolved() {
    let stage = parse_ingest_stage(REFERENCE.as_bytes()).unwrap().unwrap();
    assert_eq!((stage.command_text().as_str(), params_file(&stage)), ("capture-hook ingest", "params.yaml"));
    let resolved = ResolvedStage::resolve(&stage, Some(PARAMS.as_bytes())).unwrap();
    assert_eq!(resolved.run_dir.as_deref(), Some("results/demo/r1"));
    assert_eq!(
        resolved.stage.outs,
        [StageOut { path: "data/captures".into(), kind: OutKind::Data, cache: true, persist: true, remote: None }]
    );
}

#[test]
fn a_placeholder_selects_nothing() {
    let stage = parse_ingest_stage(REFERENCE.as_bytes()).unwrap().unwrap();
    for value in ["results/<experiment>/<run_id>", "''", "~", ""] {
        let params = PARAMS.replace("results/demo/r1", value);
        assert_eq!(ResolvedStage::resolve(&stage, Some(params.as_bytes())).unwrap().run_dir, None, "{value}");
    }
}

#[test]
fn a_dataset_outside_the_project_or_among_programs_is_refused() {
    let stage = parse_ingest_stage(REFERENCE.as_bytes()).unwrap().unwrap();
    for value in ["../x", "/tmp/x", "a/../../x", ".", ".git/x", ".venv"] {
        let params = PARAMS.replace("data/captures", value);
        let error = ResolvedStage::resolve(&stage, Some(params.as_bytes())).unwrap_err();
        assert!(matches!(error, StageError::Misplaced { .. }), "{value}: {error}");
    }
}

#[test]
fn unsupported_stages_are_refused() {
    let with = |from: &str, to: &str| parse_ingest_stage(REFERENCE.replace(from, to).as_bytes());
    assert!(matches!(
        with("    cmd:", "    wdir: x\n    cmd:"),
        Err(StageError::DvcYaml(DvcYamlError::Unsupported(_)))
    ));
    assert!(matches!(
        with("    cmd:", "<<<<<<< ours\n    cmd:"),
        Err(StageError::DvcYaml(DvcYamlError::Conflict { line: 3 }))
    ));
    assert_eq!(with("capture_ingest", "other").unwrap(), None);
    assert_eq!(parse_ingest_stage(b"").unwrap(), None);
    let stage = with("out_dir}:", "nothing}:").unwrap().unwrap();
    assert!(ResolvedStage::resolve(&stage, Some(PARAMS.as_bytes())).is_err());
}

#[test]
fn another_params_file_is_named() {
    let text = REFERENCE.replace(
        "    - ingest_capture.run_dir\n    - ingest_capture.out_dir\n",
        "    - conf/p.toml:\n      - ingest_capture.run_dir\n      - ingest_capture.out_dir\n",
    );
    let toml = "[ingest_capture]\nrun_dir = 'results/demo/r1'\nout_dir = 'data/captures'\n";
    // DVC fills `${…}` in from params.yaml alone, unless `vars` names other files.
    let stage = parse_ingest_stage(text.as_bytes()).unwrap().unwrap();
    assert!(
        ResolvedStage::resolve(&stage, Some(toml.as_bytes())).unwrap_err().to_string().contains("not from conf/p.toml")
    );
    let stage = parse_ingest_stage(format!("vars:\n- conf/p.toml\n{text}").as_bytes()).unwrap().unwrap();
    assert_eq!(params_file(&stage), "conf/p.toml");
    assert_eq!(
        ResolvedStage::resolve(&stage, Some(toml.as_bytes())).unwrap().run_dir.as_deref(),
        Some("results/demo/r1")
    );
}

/// S1: What DVC's reader takes from elsewhere, or for something else than text, is refused with its line.
#[test]
fn ambiguous_yaml_is_refused() {
    let error = |text: &str| parse_ingest_stage(text.as_bytes()).unwrap_err().to_string();
    let with = |from: &str, to: &str| error(&REFERENCE.replace(from, to));
    for odd in ["\u{85}", "\u{2028}", "\u{2029}", "\u{b}", "\u{feff}"] {
        let text = format!("stages: {{capture_ingest: {{cmd: capture-hook ingest, # {odd} cmd: evil\n  deps: []}}}}\n");
        assert!(error(&text).starts_with("dvc.yaml:1: the character U+"), "{odd:?}");
    }
    assert!(with("stages:", "x: &x {cmd: evil}\nstages:\n  <<: *x").starts_with("dvc.yaml:3:"));
    assert!(
        with("    cmd: capture-hook ingest", "    cmd: capture-hook ingest\n    <<: *x").starts_with("dvc.yaml:4:")
    );
    assert!(with("cmd: capture-hook ingest", "cmd: !!str capture-hook ingest").starts_with("dvc.yaml:3:"));
    assert!(with("stages:", "%YAML 1.1\n---\nstages:").starts_with("dvc.yaml:1:"));
    assert!(with("    outs:", "    deps: [2026-01-01]\n    outs:").starts_with("dvc.yaml:7:"));
    assert!(with("persist: true", "persist: yes").contains("cannot parse"));
    assert!(with("    outs:", "    unknown: 1\n    outs:").contains("uses `unknown`"));
}

/// S1: DVC removes outputs before it runs the stage, and reads dependencies, wherever they are.
#[test]
fn a_stage_that_reaches_out_of_the_project_is_refused() {
    for line in ["deps: [/dev/zero]", "deps: [s3://b/k]", "metrics: [{../m.json: {cache: false}}]", "plots: [/home/x]"]
    {
        let text = REFERENCE.replace("    outs:", &format!("    {line}\n    outs:"));
        let error =
            ResolvedStage::resolve(&parse_ingest_stage(text.as_bytes()).unwrap().unwrap(), Some(PARAMS.as_bytes()))
                .unwrap_err();
        assert!(error.to_string().contains("not a path inside the project"), "{line}: {error}");
    }
}
