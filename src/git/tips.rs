//! The commits at the ends of history: every branch, remote branch and tag. Read only.

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::refs::peel_ref;
use crate::git::repo::Repo;

impl Repo {
    /// Returns the commits of HEAD, branches, remote branches and tags, each once. A ref to something else, or to an
    /// object that this clone lacks, is left out.
    pub fn ref_tips(&self) -> Result<Vec<Oid>, GitError> {
        let mut tips: Vec<Oid> = self.head()?.into_iter().collect();
        if let Some(lib) = &self.lib {
            let read = || -> Result<Vec<Oid>, git2::Error> {
                let mut out = Vec::new();
                for reference in lib.references()? {
                    // A broken ref is skipped, as git does with a warning.
                    let Ok(reference) = reference else { continue };
                    let name = reference.name_bytes();
                    let prefixes = [&b"refs/heads/"[..], b"refs/remotes/", b"refs/tags/"];
                    if !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                        continue;
                    }
                    out.extend(peel_ref(lib, &reference).map(Oid::from));
                }
                Ok(out)
            };
            tips.extend(read().map_err(|source| GitError::Read { what: "refs".into(), source })?);
        } else {
            let format = "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)";
            let output = self.query_git(["for-each-ref", format, "refs/heads", "refs/remotes", "refs/tags"])?;
            for line in output.stdout_text().lines() {
                let words: Vec<&str> = line.split(' ').collect();
                tips.extend(match words.as_slice() {
                    ["commit", id, ..] | [_, _, "commit", id] => Oid::parse(id),
                    _ => None,
                });
            }
        }
        let mut seen = std::collections::HashSet::new();
        tips.retain(|id| seen.insert(id.clone()));
        Ok(tips)
    }
}
