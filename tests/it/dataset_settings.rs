//! `[dataset]` in `capture-hook.toml` and `CITATION.cff`: set by commands, checked, and read as committed.

use std::fs;

use capture_hook::error::Error;
use capture_hook::export::metadata::{CommittedMetadata, MetadataFlags, read_dataset_metadata, read_repository};
use capture_hook::project::Project;
use capture_hook::support::env::Env;
use insta::assert_snapshot;

use crate::env::TestEnv;

const ADA: &str = "Example, Ada (0000-0002-1825-0097, Example Institute, ada@example.org)";

fn open(env: &TestEnv) -> Project {
    let vars = ["HOME", "PATH"].map(|name| (name, env.get(name)));
    Project::open(&env.repo(""), &Env::from_vars(vars)).unwrap()
}

fn read_with(env: &TestEnv, flags: &MetadataFlags) -> Result<CommittedMetadata, Error> {
    Ok(read_dataset_metadata(&open(env), flags)?)
}

fn read(env: &TestEnv) -> Result<CommittedMetadata, Error> {
    read_with(env, &MetadataFlags::default())
}

/// The error as a user sees it.
fn refusal(env: &TestEnv) -> String {
    let error = read(env).unwrap_err();
    assert_eq!(error.exit_kind().exit_code(), 3, "{error}");
    let hints: Vec<String> = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
    format!("{}: {error}{}", error.code(), hints.concat())
}

fn commit(env: &TestEnv, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(env.repo(name), text).unwrap();
    }
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-qm", "describe the dataset", "--allow-empty"]).ok();
}

fn set_all(env: &TestEnv) {
    for (key, value) in [
        ("title", "Plume runs"),
        ("description", "Episodes of an agent\nin an odour plume."),
        ("license", "cc-by-4.0"),
        ("creators", ADA),
        ("version", "1.2.0"),
        ("url", "https://example.org/plume-runs"),
        ("repository", "https://example.org/plume-runs.git"),
        ("keywords", "simulation, odour plume"),
        ("publisher.name", "Example Institute"),
        ("publisher.ror", "03f0f6041"),
        ("simulator.name", "plume-nav-sim"),
        ("simulator.url", "https://pypi.org/project/plume-nav-sim/"),
    ] {
        env.hook(["config", "set", &format!("dataset.{key}"), value]).ok();
    }
}

#[test]
fn every_key_is_set_printed_and_read() {
    let env = TestEnv::initialized();
    fs::write(
        env.repo("capture-hook.toml"),
        "# ours\n[dataset] # for the paper\n# the short one\ntitle = 'x' # todo\n",
    )
    .unwrap();
    set_all(&env);
    assert_snapshot!(fs::read_to_string(env.repo("capture-hook.toml")).unwrap(), @r#"
        # ours
        [dataset] # for the paper
        # the short one
        title = "Plume runs" # todo
        description = """
        Episodes of an agent
        in an odour plume."""
        license = "cc-by-4.0"
        creators = [{ given = "Ada", family = "Example", orcid = "https://orcid.org/0000-0002-1825-0097", affiliation = "Example Institute", email = "ada@example.org" }]
        version = "1.2.0"
        url = "https://example.org/plume-runs"
        repository = "https://example.org/plume-runs.git"
        keywords = ["simulation", "odour plume"]

        [dataset.publisher]
        name = "Example Institute"
        ror = "03f0f6041"

        [dataset.simulator]
        name = "plume-nav-sim"
        url = "https://pypi.org/project/plume-nav-sim/"
        "#);
    assert_snapshot!(env.screen(&env.hook(["config", "list"]).ok()), @"
        SETTING                 VALUE                            FROM               WHAT FOR
        minimum_version         (none)                           default            the oldest capture-hook to use here
        engine                  dvc                              default            who versions the dataset: dvc, native
        results_dir             results                          default            where recorders write runs
        ingest.include          (none)                           default            other files that go into the dataset
        pull.auto               true                             default            checkout and merge fetch data
        pull.max_bytes          1073741824                       default            the most bytes that hooks fetch
        push.policy             strict                           default            unsent data: strict, warn, off
        tag.max_runs            100                              default            most runs of a commit tagged each
        gc.keep                 90                               default            days that `gc` keeps old data
        validate.ignore         (none)                           default            finding codes that do not count
        validate.deny           (none)                           default            warning codes that count as errors
        dataset.title           Plume runs                       capture-hook.toml  the dataset's title
        dataset.description     Episodes of an agent…            capture-hook.toml  what it is, in a sentence or more
        dataset.license         CC-BY-4.0                        capture-hook.toml  its licence, an SPDX identifier such as CC-BY-4.0
        dataset.creators        Example, Ada (0000-0002-1825-0…  capture-hook.toml  who made it: FAMILY, GIVEN (ORCID, INSTITUTE); …
        dataset.version         1.2.0                            capture-hook.toml  its version, three numbers; 1.0.0 if not set
        dataset.url             https://example.org/plume-runs   capture-hook.toml  its page
        dataset.repository      https://example.org/plume-runs…  capture-hook.toml  where others can clone its git repository
        dataset.keywords        simulation,odour plume           capture-hook.toml  words to find it by
        dataset.publisher.name  Example Institute                capture-hook.toml  the organisation that publishes it
        dataset.publisher.ror   https://ror.org/[commit]        capture-hook.toml  the organisation's ROR identifier
        dataset.simulator.name  plume-nav-sim                    capture-hook.toml  what recorded the runs
        dataset.simulator.url   https://pypi.org/project/plume…  capture-hook.toml  the simulator's page
        dataset.…               (2 not set)                      default            what exports say of the dataset
        --- stderr
        hint: see those of exports: `capture-hook config list dataset`
        ");
    assert_snapshot!(env.screen(&env.hook(["config", "list", "dataset.publisher"]).ok()), @"
        SETTING                 VALUE                      FROM               WHAT FOR
        dataset.publisher.name  Example Institute          capture-hook.toml  the organisation that publishes it
        dataset.publisher.url   (none)                     default            the organisation's page
        dataset.publisher.ror   https://ror.org/[commit]  capture-hook.toml  the organisation's ROR identifier
        ");
    for (key, value) in [
        ("title", "Plume runs"),
        ("description", "Episodes of an agent\nin an odour plume."),
        ("license", "CC-BY-4.0"),
        ("license_url", "(none)"),
        ("creators", ADA),
        ("keywords", "simulation,odour plume"),
    ] {
        assert_eq!(env.hook(["config", "get", &format!("dataset.{key}")]).ok().stdout, format!("{value}\n"));
    }
    commit(&env, &[]);
    let read = read(&env).unwrap();
    assert_eq!(read.warnings, [""; 0]);
    let metadata = read.metadata;
    assert_eq!((metadata.title.as_str(), metadata.version.as_str()), ("Plume runs", "1.2.0"));
    assert_eq!(metadata.description, "Episodes of an agent\nin an odour plume.");
    assert_eq!(metadata.license.url, "https://creativecommons.org/licenses/by/4.0/");
    assert_eq!(metadata.keywords, ["simulation", "odour plume"]);
    let ada = &metadata.creators[0];
    assert_eq!(
        (ada.name.as_str(), ada.given.as_deref(), ada.family.as_deref()),
        ("Ada Example", Some("Ada"), Some("Example"))
    );
    assert_eq!(ada.orcid.as_deref(), Some("https://orcid.org/0000-0002-1825-0097"));
    assert_eq!(ada.affiliation.as_ref().unwrap().name, "Example Institute");
    assert_eq!(metadata.publisher.unwrap().ror.as_deref(), Some("https://ror.org/03f0f6041"));
    assert_eq!(metadata.simulator.unwrap().name, "plume-nav-sim");
    assert_eq!(read_repository(&open(&env)).unwrap().as_deref(), Some("https://example.org/plume-runs.git"));
}

#[test]
fn the_example_of_the_guide_is_read() {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md")).unwrap();
    let example = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let env = TestEnv::initialized();
    commit(&env, &[("capture-hook.toml", example)]);
    let read = read(&env).unwrap();
    let metadata = read.metadata;
    assert_eq!((metadata.creators.len(), metadata.keywords.len(), read.warnings.len()), (2, 2, 0));
    assert!(metadata.publisher.is_some() && metadata.simulator.is_some() && metadata.repository.is_some());
    assert!(
        env.hook(["config", "list", "dataset"]).ok().stdout.lines().filter(|line| line.contains("(none)")).count() == 1
    );
}

#[test]
fn a_value_that_breaks_its_rule_changes_nothing() {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), "[dataset]\ntitle = 'x'\n").unwrap();
    let mut screens = String::new();
    for (key, value) in [
        ("title", "a\u{1b}[2Jb"),
        ("license", "MIT OR Apache-2.0"),
        ("license_url", "creativecommons.org"),
        ("creators", "Example, Ada (0000-0002-1825-0098)"),
        ("creators", "Ada (ada@)"),
        ("version", "v1.2"),
        ("url", "ftp://example.org"),
        ("repository", "https://ada:s3cret@example.org/x.git"),
        ("repository", "git@example.org:x.git"),
        ("publisher.ror", "03f0f6042"),
        ("simulator.command", "rm -rf /"),
        ("licence", "MIT"),
        ("creators.1.orcid", "0000-0002-1825-0097"),
    ] {
        let output = env.hook(["config", "set", &format!("dataset.{key}"), value]).fails(2);
        screens += &output.stderr;
    }
    assert!(!screens.contains("s3cret") && !screens.contains('\u{1b}'), "{screens}");
    assert_snapshot!(screens, @r"
        error: dataset.title: `a\u{1b}[2Jb` holds a line break or a control character
        hint: dataset.title: the dataset's title
        error: dataset.license: `MIT OR Apache-2.0` is not the SPDX identifier of one licence, such as CC-BY-4.0
        hint: dataset.license: its licence, an SPDX identifier such as CC-BY-4.0
        error: dataset.license_url: `creativecommons.org` is not an address that begins with https:// or http://
        hint: dataset.license_url: the page of a licence that is not known here
        error: dataset.creators: `0000-0002-1825-0098` is not an ORCID: its check digit is wrong, so that a digit was mistyped
        hint: dataset.creators: who made it: FAMILY, GIVEN (ORCID, INSTITUTE); …
        error: dataset.creators: `ada@` is not an e-mail address
        hint: dataset.creators: who made it: FAMILY, GIVEN (ORCID, INSTITUTE); …
        error: dataset.version: `v1.2` is not a version of three numbers (semver.org); did you mean `1.2.0`?
        hint: dataset.version: its version, three numbers; 1.0.0 if not set
        error: dataset.url: `ftp://example.org` is not an address that begins with https:// or http://
        hint: dataset.url: its page
        error: dataset.repository: `https://…@example.org/x.git` holds a user name or a password, which everybody could read; remove it
        hint: dataset.repository: where others can clone its git repository
        error: dataset.repository: `…@example.org:x.git` is not an address that begins with https:// or http://
        hint: dataset.repository: where others can clone its git repository
        error: dataset.publisher.ror: `03f0f6042` is not a ROR identifier: its check digits are wrong, so that a character was mistyped
        hint: dataset.publisher.ror: the organisation's ROR identifier
        error: there is no setting `dataset.simulator.command`
        hint: did you mean `dataset.simulator.name`?
        hint: see every setting: `capture-hook config list`
        error: there is no setting `dataset.licence`
        hint: did you mean `dataset.license`?
        hint: see every setting: `capture-hook config list`
        error: there is no setting `dataset.creators.1.orcid`
        hint: all creators are one setting: `capture-hook config get dataset.creators`
        hint: see every setting: `capture-hook config list`
        ");
    assert_eq!(fs::read_to_string(env.repo("capture-hook.toml")).unwrap(), "[dataset]\ntitle = 'x'\n");
    // One that is not in the table is taken, and says what else is needed.
    assert_snapshot!(env.screen(&env.hook(["config", "set", "dataset.license", "CC-BY-4.O"]).ok()), @"
        dataset.license: (none) -> CC-BY-4.O
        --- stderr
        hint: this licence is not known here: set dataset.license_url, too, to the page with its terms; did you mean `CC-BY-4.0`?
        hint: share it with your team: `git add capture-hook.toml`, then commit
        ");
}

#[test]
fn a_value_in_the_file_is_refused_with_its_line() {
    let env = TestEnv::initialized();
    fs::write(env.repo("capture-hook.toml"), "[dataset]\ntitle = 'x'\nurl = 'https://a:s3cret@example.org/'\n")
        .unwrap();
    let output = env.hook(["status"]).fails(3);
    assert!(output.stderr.contains("capture-hook.toml:3: `https://…@example.org/` holds a user name or a password"));
    assert!(!output.both().contains("s3cret"));
}

#[test]
fn all_that_is_missing_is_named_with_its_command() {
    let env = TestEnv::initialized();
    assert_snapshot!(refusal(&env), @"
        dataset_incomplete: not set: dataset.title, dataset.description, dataset.license, dataset.creators
        hint: set dataset.title: `capture-hook config set dataset.title TITLE`
        hint: set dataset.description: `capture-hook config set dataset.description 'WHAT IT IS'`
        hint: set dataset.license: `capture-hook config set dataset.license CC-BY-4.0`
        hint: set dataset.creators: `capture-hook config set dataset.creators 'FAMILY, GIVEN (ORCID, INSTITUTE); …'`
        hint: commit the changes: exports read capture-hook.toml and CITATION.cff as HEAD has them
        ");
    // The commands of the hints work, but for the values in capitals.
    let hints = read(&env).unwrap_err().hints().join("\n");
    for command in hints.split('`').filter(|part| part.starts_with("capture-hook config set")) {
        let command = command.replace("ORCID", "0000-0002-1825-0097").replace("; …", "");
        env.run_in("repo", "/bin/sh", ["-c", &command]).ok();
    }
    assert_snapshot!(refusal(&env), @"
        dataset_incomplete: set, but not committed: dataset.title, dataset.description, dataset.license, dataset.creators
        hint: commit the changes: exports read capture-hook.toml and CITATION.cff as HEAD has them
        ");
    commit(&env, &[]);
    assert_eq!(read(&env).unwrap().metadata.creators[0].name, "GIVEN FAMILY");
    commit(
        &env,
        &[(
            "capture-hook.toml",
            "[dataset]\nlicense = 'CC-BY-4.O'\ntitle = 'x'\npublisher = {ror = '03f0f6041'}\nsimulator = {url = 'https://x'}\n",
        )],
    );
    env.hook(["config", "set", "dataset.description", "y"]).ok();
    assert_snapshot!(refusal(&env), @"
        dataset_incomplete: not set: dataset.license_url, dataset.creators, dataset.publisher.name, dataset.simulator.name; set, but not committed: dataset.description
        hint: set dataset.license_url: `capture-hook config set dataset.license_url 'https://…'` (the licence `CC-BY-4.O` is not known here; did you mean `CC-BY-4.0`?)
        hint: set dataset.creators: `capture-hook config set dataset.creators 'FAMILY, GIVEN (ORCID, INSTITUTE); …'`
        hint: set dataset.publisher.name: `capture-hook config set dataset.publisher.name NAME`
        hint: set dataset.simulator.name: `capture-hook config set dataset.simulator.name NAME`
        hint: commit the changes: exports read capture-hook.toml and CITATION.cff as HEAD has them
        ");
}

#[test]
fn the_command_line_wins() {
    let env = TestEnv::initialized();
    set_all(&env);
    commit(&env, &[("CITATION.cff", "authors: [{name: Cy}]\n")]);
    let flags = MetadataFlags {
        title: Some("T".into()),
        description: Some("D".into()),
        license: Some("mit".into()),
        creators: vec!["Sample, Bo".into(), "Di; Ed".into()],
        version: Some("2.0.0".into()),
        date_published: Some("2026-12-01".into()),
    };
    let read = read_with(&env, &flags).unwrap();
    let metadata = read.metadata;
    assert_eq!(
        (metadata.title.as_str(), metadata.description.as_str(), metadata.version.as_str()),
        ("T", "D", "2.0.0")
    );
    assert_eq!((metadata.license.id.as_str(), metadata.license.name.as_str()), ("MIT", "MIT License"));
    let names: Vec<&str> = metadata.creators.iter().map(|creator| creator.name.as_str()).collect();
    assert_eq!(names, ["Bo Sample", "Di", "Ed"]);
    assert_eq!(read.date_published.unwrap().to_string(), "2026-12-01");
    // The page in the settings is of the licence there.
    env.hook(["config", "set", "dataset.license_url", "https://example.org/terms"]).ok();
    commit(&env, &[]);
    assert_eq!(read_with(&env, &flags).unwrap().metadata.license.url, "https://spdx.org/licenses/MIT.html");
    assert_eq!(read_with(&env, &MetadataFlags::default()).unwrap().metadata.license.url, "https://example.org/terms");
    for (flags, message) in [
        (MetadataFlags { version: Some("2".into()), ..flags.clone() }, "--dataset-version: `2` is not a version"),
        (MetadataFlags { license: Some("a b".into()), ..flags.clone() }, "--license: `a b` is not the SPDX"),
        (MetadataFlags { creators: vec!["A (x@)".into()], ..flags.clone() }, "--creator: `x@` is not an e-mail"),
        (
            MetadataFlags { date_published: Some("1.12.26".into()), ..flags.clone() },
            "--date-published: `1.12.26` is not",
        ),
        (MetadataFlags { title: Some("a\nb".into()), ..flags.clone() }, "--title: `a\\nb` holds a line break"),
    ] {
        let error = read_with(&env, &flags).unwrap_err();
        assert!(error.exit_kind().exit_code() == 2 && error.to_string().starts_with(message), "{error}");
    }
}

#[test]
fn a_citation_of_software_names_authors_alone() {
    let env = TestEnv::initialized();
    let cff = "cff-version: 1.2.0\ntitle: The simulator\nabstract: Simulates.\nlicense: MIT\nversion: '7'\nkeywords: [x]\n\
               url: https://example.org/simulator\nrepository-code: https://example.org/simulator.git\nauthors:\n\
               - family-names: Example\n  given-names: Ada\n- name: Sample Consortium\n";
    commit(&env, &[("CITATION.cff", cff)]);
    assert_snapshot!(refusal(&env).lines().next().unwrap(), @"dataset_incomplete: not set: dataset.title, dataset.description, dataset.license");
    commit(&env, &[("capture-hook.toml", "[dataset]\ntitle = 'T'\ndescription = 'D'\nlicense = 'CC0-1.0'\n")]);
    let metadata = read(&env).unwrap().metadata;
    let names: Vec<&str> = metadata.creators.iter().map(|creator| creator.name.as_str()).collect();
    assert_eq!(names, ["Ada Example", "Sample Consortium"]);
    assert_eq!((metadata.version.as_str(), metadata.url, metadata.repository), ("1.0.0", None, None));
    assert!(metadata.keywords.is_empty() && metadata.title == "T" && metadata.license.id == "CC0-1.0");
    assert_eq!(read_repository(&open(&env)).unwrap(), None);
    // Creators in the settings are all of them.
    env.hook(["config", "set", "dataset.creators", "Bo"]).ok();
    commit(&env, &[]);
    assert_eq!(read(&env).unwrap().metadata.creators.len(), 1);
}

#[test]
fn a_citation_of_the_dataset_says_all_that_the_settings_do_not() {
    let env = TestEnv::initialized();
    let cff = "cff-version: 1.2.0\ntype: dataset\ntitle: Plume runs\nabstract: >\n  Episodes of\n  an agent.\nlicense: cc-by-4.0\n\
               version: 1.1.0\nkeywords: [a, b]\nurl: https://example.org/runs\nrepository-code: https://example.org/runs.git\n\
               authors:\n- alias: ada\n";
    commit(&env, &[("CITATION.cff", cff)]);
    let metadata = read(&env).unwrap().metadata;
    assert_eq!((metadata.title.as_str(), metadata.description.as_str()), ("Plume runs", "Episodes of an agent."));
    assert_eq!((metadata.license.id.as_str(), metadata.version.as_str()), ("CC-BY-4.0", "1.1.0"));
    assert_eq!((metadata.url.as_deref(), metadata.keywords.len()), (Some("https://example.org/runs"), 2));
    assert_eq!(read_repository(&open(&env)).unwrap().as_deref(), Some("https://example.org/runs.git"));
    env.hook(["config", "set", "dataset.title", "Mine"]).ok();
    commit(&env, &[]);
    assert_eq!(read(&env).unwrap().metadata.title, "Mine");
    // A version that is none is not replaced by another, and a licence is not chosen.
    commit(&env, &[("CITATION.cff", &cff.replace("1.1.0", "2.0"))]);
    assert_snapshot!(refusal(&env), @"
        invalid_citation: CITATION.cff:8: version: `2.0` is not a version of three numbers (semver.org); did you mean `2.0.0`?
        hint: correct the file and commit it: exports read it as HEAD has it
        hint: or say it in the settings: `capture-hook config set dataset.version 1.0.0`
        ");
    commit(&env, &[("CITATION.cff", &cff.replace("cc-by-4.0", "[MIT, ISC]"))]);
    assert!(refusal(&env).starts_with("dataset_incomplete: not set: dataset.license\n"));
    commit(&env, &[("CITATION.cff", &cff.replace("cc-by-4.0", "OURS-1\nlicense-url: https://example.org/ours"))]);
    assert_eq!(read(&env).unwrap().metadata.license.url, "https://example.org/ours");
}

/// Each is an error if its authors are needed, else a warning.
#[test]
fn a_citation_that_cannot_be_read_is_reported() {
    let env = TestEnv::initialized();
    let settings = "[dataset]\ntitle = 'T'\ndescription = 'D'\nlicense = 'CC0-1.0'\n";
    let with_creators = format!("{settings}creators = [{{name = 'Ada'}}]\n");
    let bomb: String = (1..20).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
    let deep = format!("authors: {}\n", "[".repeat(100_000));
    let large = format!("# {}\nauthors: [{{name: Ada}}]\n", "x".repeat(10 << 20));
    let many = format!("authors: [{}]\n", "{name: x},".repeat(300_000));
    for (text, message) in [
        ("authors: [\n", "CITATION.cff:2: "),
        ("authors:\n- name: Ada\n\u{b}orcid: x\n", "CITATION.cff:3: the character U+000B"),
        ("title: a\nauthors: []\ntitle: b\n", "CITATION.cff:3: the key `title` is there twice"),
        (deep.as_str(), "CITATION.cff:1: recursion limit exceeded"),
        (large.as_str(), "CITATION.cff: cannot be read: "),
        (many.as_str(), "CITATION.cff:1: the file holds more than 200000 values"),
        ("\u{feff}\u{feff}x: y\n", "CITATION.cff:1: the character U+FEFF"),
    ] {
        let text = text.as_bytes();
        fs::write(env.repo("CITATION.cff"), text).unwrap();
        commit(&env, &[("capture-hook.toml", settings)]);
        let refused = refusal(&env);
        assert!(refused.starts_with(&format!("invalid_citation: {message}")), "{refused}");
        commit(&env, &[("capture-hook.toml", &with_creators)]);
        let warnings = read(&env).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].starts_with(message), "{warnings:?}");
    }
    // Aliases are not followed, however many there are.
    for authors in ["*a19", "[*a19]"] {
        let text = format!("a0: &a0 [x]\n{bomb}authors: {authors}\n");
        commit(&env, &[("capture-hook.toml", settings), ("CITATION.cff", &text)]);
        assert!(refusal(&env).starts_with("invalid_citation: CITATION.cff:21: "), "{}", refusal(&env));
    }
    // A link, wherever it leads.
    fs::write(env.path("outside.cff"), "authors: [{name: Eve}]\n").unwrap();
    fs::remove_file(env.repo("CITATION.cff")).unwrap();
    std::os::unix::fs::symlink(env.path("outside.cff"), env.repo("CITATION.cff")).unwrap();
    commit(&env, &[]);
    assert!(refusal(&env).starts_with("invalid_citation: CITATION.cff: cannot be read: "), "{}", refusal(&env));
    assert_eq!(read_repository(&open(&env)).unwrap(), None);
}

#[test]
fn what_is_not_committed_is_left_out_with_a_warning() {
    let env = TestEnv::initialized();
    set_all(&env);
    commit(&env, &[]);
    env.git(["config", "remote.origin.url", "https://ada:s3cret@example.org/x.git"]).ok();
    // Another setting, or another spelling of the same, is no other dataset.
    env.hook(["config", "set", "push.policy", "warn"]).ok();
    env.hook(["config", "set", "dataset.license", "CC-BY-4.0"]).ok();
    assert_eq!(read(&env).unwrap().warnings, [""; 0]);
    env.hook(["config", "set", "dataset.title", "Later"]).ok();
    let changed = read(&env).unwrap();
    assert_eq!(changed.metadata.title, "Plume runs");
    assert_snapshot!(changed.warnings.join("\n"), @"changes of capture-hook.toml or CITATION.cff that are not committed are left out: exports read both as HEAD has them");
    assert!(!format!("{changed:?}").contains("s3cret"));
    // One that is broken in the working tree alone does no harm.
    fs::write(env.repo("capture-hook.toml"), "[dataset\n").unwrap();
    assert_eq!(read(&env).unwrap().warnings, changed.warnings);
    env.git(["checkout", "-q", "capture-hook.toml"]).ok();
    fs::write(env.repo("CITATION.cff"), "authors: [{name: Bo}]\n").unwrap();
    assert_eq!(read(&env).unwrap().warnings, [""; 0], "its authors are not needed");
    // A commit that holds what cannot be read is named as such.
    commit(&env, &[("capture-hook.toml", "[dataset]\nversion = '1'\n")]);
    fs::write(env.repo("capture-hook.toml"), "[dataset]\nversion = '1.0.0'\n").unwrap();
    assert_snapshot!(refusal(&env), @"
        invalid_config: capture-hook.toml:2: `1` is not a version of three numbers (semver.org); did you mean `1.0.0`?
        hint: see every setting with its default: `capture-hook config list`
        hint: commit a correct capture-hook.toml: exports read it as HEAD has it
        ");
}
