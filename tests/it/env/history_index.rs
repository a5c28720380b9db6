//! Whether what is noted in git's directory changes an answer: each command is asked with the notes, and without them.

use std::fs;
use std::path::PathBuf;

use super::TestEnv;

/// The files of notes by which commands that read history save time.
pub const NOTE_FILES: [&str; 3] = ["history", "recorded-runs", "listed-runs"];

impl TestEnv {
    /// Where a clone's notes are.
    pub fn note_file(&self, dir: &str, name: &str) -> PathBuf {
        let common = self.git_in(dir, ["rev-parse", "--path-format=absolute", "--git-common-dir"]).ok().stdout;
        PathBuf::from(common.trim()).join("capture-hook").join(name)
    }

    /// What commands that read history say: status, output and messages of each.
    fn history_answers(&self, dir: &str) -> Vec<String> {
        let names = self.hook_in(dir, ["runs", "--json"]);
        let runs: serde_json::Value = serde_json::from_str(&names.stdout).unwrap_or_default();
        let runs: Vec<String> =
            runs["runs"].as_array().into_iter().flatten().map(|run| run["run"].as_str().unwrap().to_owned()).collect();
        let mut commands: Vec<Vec<&str>> =
            vec![vec!["log", "--json"], vec!["log"], vec!["status", "--json"], vec!["runs", "--group"]];
        if let [first, .., last] = runs.as_slice() {
            commands.push(vec!["show", first, "--json"]);
            commands.push(vec!["diff", first, last, "--json"]);
            commands.push(vec!["log", last, "--json"]);
        }
        let mut answers = vec![format!("{} {}", names.code, names.both())];
        for command in commands {
            let output = self.hook_in(dir, &command);
            answers.push(format!("{command:?}: {} {}", output.code, output.both()));
        }
        answers
    }

    /// Asks with the notes as they are, with what that noted, and with none. The notes are left as the first two made them.
    #[track_caller]
    pub fn assert_notes_change_nothing(&self, dir: &str) {
        let noted = self.history_answers(dir);
        let again = self.history_answers(dir);
        let files = NOTE_FILES.map(|name| self.note_file(dir, name));
        let aside = files.each_ref().map(|file| file.with_extension("aside"));
        for (file, aside) in files.iter().zip(&aside) {
            let _ = fs::rename(file, aside);
        }
        let without = self.history_answers(dir);
        for (file, aside) in files.iter().zip(&aside) {
            if aside.is_file() {
                fs::rename(aside, file).unwrap();
            }
        }
        assert_eq!(noted, without, "with the notes as they were");
        assert_eq!(again, without, "with new notes");
    }
}
