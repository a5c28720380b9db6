//! Every branch, remote branch and tag at one moment, each as it lies there: in very many refs, most need not be peeled.
//! Read only.

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::refs::peel_ref;
use crate::git::repo::Repo;

/// A branch, remote branch or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRef {
    /// Its full name.
    pub name: String,
    /// The object that it names.
    pub target: Oid,
    /// The object behind a tag object, as far as the list of refs says.
    pub peeled: Option<Oid>,
    /// The commit behind it, if that is known without looking at the object. `Some(None)`: it leads to none that is here.
    pub commit: Option<Option<Oid>>,
}

/// A tag object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagObject {
    /// The commit that it names; `None` if it names something else.
    pub commit: Option<Oid>,
    /// Its message, signature included.
    pub message: Vec<u8>,
}

/// Where branches, remote branches and tags are.
pub const REF_PREFIXES: [&str; 3] = ["refs/heads/", "refs/remotes/", "refs/tags/"];

impl Repo {
    /// Returns the refs whose names begin so, in this order, and sorted by name. A broken ref is left out.
    pub fn list_refs(&self, prefixes: &[&str]) -> Result<Vec<ListedRef>, GitError> {
        let mut refs = Vec::new();
        for prefix in prefixes {
            refs.extend(self.list_refs_below(prefix)?);
        }
        Ok(refs)
    }

    fn list_refs_below(&self, prefix: &str) -> Result<Vec<ListedRef>, GitError> {
        let Some(lib) = &self.lib else { return self.list_refs_by_git(prefix) };
        let read = || -> Result<Vec<ListedRef>, git2::Error> {
            let mut refs = Vec::new();
            for reference in lib.references_glob(&format!("{prefix}*"))? {
                // A broken ref is skipped, as git does with a warning.
                let Ok(reference) = reference else { continue };
                let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
                let listed = match reference.target() {
                    Some(target) => ListedRef {
                        name,
                        target: target.into(),
                        peeled: reference.target_peel().map(Into::into),
                        commit: None,
                    },
                    // A symbolic ref, such as `refs/remotes/origin/HEAD`, names another one.
                    None => {
                        let Some(target) = reference.resolve().ok().and_then(|resolved| resolved.target()) else {
                            continue;
                        };
                        let commit = peel_ref(lib, &reference).map(Into::into);
                        ListedRef { name, target: target.into(), peeled: None, commit: Some(commit) }
                    }
                };
                refs.push(listed);
            }
            Ok(refs)
        };
        let mut refs = read().map_err(|source| GitError::Read { what: "refs".into(), source })?;
        refs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(refs)
    }

    fn list_refs_by_git(&self, prefix: &str) -> Result<Vec<ListedRef>, GitError> {
        let format = "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)";
        let output = self.query_git(["for-each-ref", format, prefix])?;
        let parse_line = |line: &str| {
            let [kind, target, peeled_kind, peeled, name] = line.splitn(5, ' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            let (target, peeled) = (Oid::parse(target)?, Oid::parse(peeled));
            let commit = match (kind, peeled_kind) {
                ("commit", _) => Some(target.clone()),
                (_, "commit") => peeled.clone(),
                _ => None,
            };
            Some(ListedRef { name: name.to_owned(), target, peeled, commit: Some(commit) })
        };
        Ok(output.stdout_text().lines().filter_map(parse_line).collect())
    }

    /// Reads a tag object; `None` if the object is something else or not in this clone, or if libgit2 does not read it.
    #[must_use]
    pub fn read_tag_object(&self, id: &Oid) -> Option<TagObject> {
        let lib = self.lib.as_ref()?;
        let read = || {
            let tag = lib.find_tag(id.to_git2()?)?;
            let message = tag.message_bytes().unwrap_or_default().to_vec();
            let commit = match tag.target_type() {
                Some(git2::ObjectType::Commit) => Some(tag.target_id()),
                // A tag of a tag.
                Some(git2::ObjectType::Tag) => tag.into_object().peel_to_commit().ok().map(|commit| commit.id()),
                _ => None,
            };
            Ok::<_, git2::Error>(TagObject { commit: commit.map(Into::into), message })
        };
        // As for a ref to such an object: what cannot be read names nothing.
        read().ok()
    }

    /// Whether the object is a commit that is in this clone. Never fetches.
    #[must_use]
    pub fn has_commit(&self, id: &Oid) -> bool {
        if let Some(lib) = &self.lib {
            let kind = id.to_git2().and_then(|oid| Ok(lib.odb()?.read_header(oid)?.1));
            return kind.is_ok_and(|kind| kind == git2::ObjectType::Commit);
        }
        let output = self.query_git(["cat-file", "-t", id.as_str()]);
        output.is_ok_and(|output| output.stdout_text().trim() == "commit")
    }

    /// Whether libgit2 reads this repository. It does not know of replaced objects, which the program follows.
    #[must_use]
    pub fn is_read_by_lib(&self) -> bool {
        self.lib.is_some()
    }

    /// Returns the commits of a range, children before parents, each with its parents, read in one go.
    pub fn walk_with_parents(&self, tips: &[Oid]) -> Result<Vec<(Oid, Vec<Oid>)>, GitError> {
        if tips.is_empty() {
            return Ok(Vec::new());
        }
        let lines: Vec<String> = tips.iter().map(ToString::to_string).collect();
        let args = ["rev-list", "--topo-order", "--parents", "--stdin", "--ignore-missing"];
        let output = self.run_git_with(args, lines.join("\n").into_bytes())?;
        let parse_line = |line: &str| {
            let mut ids = line.split(' ').filter_map(Oid::parse);
            Some((ids.next()?, ids.collect()))
        };
        Ok(output.stdout_text().lines().filter_map(parse_line).collect())
    }
}
