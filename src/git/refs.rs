//! Tags, refs, reflogs, and walks through history. Read only: tags are made in `git::write`.

use crate::git::error::GitError;
use crate::git::read::Oid;
use crate::git::repo::Repo;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name without `refs/tags/`.
    pub name: String,
    /// The commit that it points to, peeled; `None` if it points to something else.
    pub commit: Option<Oid>,
    /// The tag object, if it is an annotated tag.
    pub object: Option<Oid>,
    /// Its message, signature included; empty for a lightweight tag.
    pub message: Vec<u8>,
}

/// A set of commits: all that `include` reaches, without what `exclude` (or a ref that `exclude_refs` matches) reaches.
#[derive(Debug, Clone, Default)]
pub struct CommitRange {
    /// The commits to start from.
    pub include: Vec<Oid>,
    /// The commits to stop at.
    pub exclude: Vec<Oid>,
    /// A pattern such as `refs/remotes/origin/*`.
    pub exclude_refs: Vec<String>,
}

impl Repo {
    /// Returns the tags whose names begin with `prefix`, sorted by name.
    pub fn find_tags(&self, prefix: &str) -> Result<Vec<Tag>, GitError> {
        if let Some(lib) = &self.lib {
            return self.lib_tags(lib, prefix).map_err(|source| GitError::Read { what: "tags".into(), source });
        }
        // Null bytes between fields, and 0x01 at the end of a record, because a message has lines of its own.
        let format = "--format=%(refname)%00%(objecttype)%00%(objectname)%00%(*objectname)%00%(contents)%00%01";
        let output = self.git_cmd(["for-each-ref", format, "refs/tags"]).run_checked(self.env())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut tags = Vec::new();
        for record in text.split("\0\u{1}\n") {
            let [name, kind, id, peeled, contents] = record.splitn(5, '\0').collect::<Vec<_>>()[..] else { continue };
            let Some(name) = name.strip_prefix("refs/tags/").filter(|name| name.starts_with(prefix)) else { continue };
            let annotated = kind == "tag";
            tags.push(Tag {
                name: name.to_owned(),
                commit: Oid::parse(if annotated { peeled } else { id }),
                object: if annotated { Oid::parse(id) } else { None },
                message: if annotated { contents.as_bytes().to_vec() } else { Vec::new() },
            });
        }
        Ok(tags)
    }

    fn lib_tags(&self, lib: &git2::Repository, prefix: &str) -> Result<Vec<Tag>, git2::Error> {
        let mut tags = Vec::new();
        for reference in lib.references_glob(&format!("refs/tags/{prefix}*"))? {
            // A broken ref is skipped, as git does with a warning.
            let Ok(reference) = reference else { continue };
            let full = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            let Some(name) = full.strip_prefix("refs/tags/").filter(|name| name.starts_with(prefix)) else { continue };
            let object = reference.target().and_then(|id| lib.find_tag(id).ok());
            tags.push(Tag {
                name: name.to_owned(),
                commit: peel_ref(lib, &reference).map(Into::into),
                message: object.as_ref().and_then(|t| t.message_bytes()).unwrap_or_default().to_vec(),
                object: object.map(|t| t.id().into()),
            });
        }
        tags.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tags)
    }

    /// Returns the commits of a range, children before parents.
    pub fn walk_commits(&self, range: &CommitRange) -> Result<Vec<Oid>, GitError> {
        if range.include.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(lib) = &self.lib {
            return lib_walk(lib, range).map_err(|source| GitError::Read { what: "history".into(), source });
        }
        let mut lines: Vec<String> = range.include.iter().map(ToString::to_string).collect();
        lines.extend(range.exclude.iter().map(|id| format!("^{id}")));
        let mut args = vec!["rev-list".to_owned(), "--topo-order".into(), "--stdin".into(), "--ignore-missing".into()];
        for pattern in &range.exclude_refs {
            args.extend(["--not".into(), format!("--glob={pattern}"), "--not".into()]);
        }
        let output = self.run_git_with(args, lines.join("\n").into_bytes())?;
        Ok(output.stdout_text().lines().filter_map(Oid::parse).collect())
    }

    /// Whether `ancestor` is reachable from `commit` (a commit reaches itself).
    pub fn has_ancestor(&self, commit: &Oid, ancestor: &Oid) -> Result<bool, GitError> {
        if commit == ancestor {
            return Ok(true);
        }
        if let Some(lib) = &self.lib
            && let (Ok(commit), Ok(ancestor)) = (commit.to_git2(), ancestor.to_git2())
            && let Ok(answer) = lib.graph_descendant_of(commit, ancestor)
        {
            return Ok(answer);
        }
        Ok(self.query_git(["merge-base", "--is-ancestor", ancestor.as_str(), commit.as_str()])?.success())
    }

    /// Returns the best common ancestors of two commits; none if this clone knows of none.
    pub fn merge_bases(&self, a: &Oid, b: &Oid) -> Result<Vec<Oid>, GitError> {
        if let Some(lib) = &self.lib
            && let (Ok(a), Ok(b)) = (a.to_git2(), b.to_git2())
            && let Ok(bases) = lib.merge_bases(a, b)
        {
            return Ok(bases.iter().map(|id| (*id).into()).collect());
        }
        let output = self.query_git(["merge-base", "--all", a.as_str(), b.as_str()])?;
        Ok(output.stdout_text().lines().filter_map(Oid::parse).collect())
    }

    /// Returns the commits of all branches, remote-tracking ones included.
    pub fn branch_tips(&self) -> Result<Vec<Oid>, GitError> {
        let output = self.query_git(["for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes"])?;
        Ok(output.stdout_text().lines().filter_map(Oid::parse).collect())
    }

    /// Whether HEAD names a commit and no branch.
    pub fn is_detached(&self) -> Result<bool, GitError> {
        // With `-q`, it fails silently then.
        Ok(!self.query_git(["symbolic-ref", "-q", "HEAD"])?.success())
    }

    /// Whether some remote-tracking branch holds the commit, so that others can have it.
    pub fn is_on_remote(&self, commit: &Oid) -> Result<bool, GitError> {
        let contains = format!("--contains={commit}");
        let output = self.query_git(["for-each-ref", "--count=1", "--format=%(refname)", &contains, "refs/remotes"])?;
        Ok(output.success() && !output.stdout_text().is_empty())
    }

    /// Whether the object is in this clone. Never fetches.
    #[must_use]
    pub fn has_object(&self, id: &Oid) -> bool {
        if let Some(lib) = &self.lib {
            return id.to_git2().and_then(|oid| Ok(lib.odb()?.exists(oid))).unwrap_or(false);
        }
        self.query_git(["cat-file", "-e", id.as_str()]).is_ok_and(|output| output.success())
    }

    /// Returns the last move of HEAD, from its reflog. `None` if no reflog is kept.
    #[must_use]
    pub fn last_head_move(&self) -> Option<HeadMove> {
        if let Some(text) = crate::support::fs::read_optional(&self.git_dir.join("logs/HEAD")).ok().flatten() {
            let text = String::from_utf8_lossy(&text);
            let (facts, message) = text.lines().next_back()?.split_once('\t')?;
            return Some(HeadMove { old: Oid::parse(facts.split(' ').next()?)?, message: message.to_owned() });
        }
        // No file, as with reftable: git is asked.
        let output = self.query_git(["reflog", "-2", "--format=%H %gs", "HEAD"]).ok().filter(|o| o.success())?;
        let text = output.stdout_text();
        let mut lines = text.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
        let ((_, message), (old, _)) = (lines.next()?, lines.next()?);
        Some(HeadMove { old: Oid::parse(old)?, message: message.to_owned() })
    }

    /// Returns the other parents of the merge in progress.
    pub fn merge_heads(&self) -> Result<Vec<Oid>, GitError> {
        let text = crate::support::fs::read_optional(&self.git_dir.join("MERGE_HEAD"))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().filter_map(Oid::parse).collect())
    }
}

/// A move of HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadMove {
    /// The commit before the move.
    pub old: Oid,
    /// The reason in the reflog: `commit (amend): …`.
    pub message: String,
}

/// The commit that a ref points to, tags peeled, if this clone has it. The commit itself is not read: many tags can
/// point to one with a long message.
pub(super) fn peel_ref(lib: &git2::Repository, reference: &git2::Reference<'_>) -> Option<git2::Oid> {
    let odb = lib.odb().ok()?;
    // A symbolic ref, such as `refs/remotes/origin/HEAD`, names another one.
    let id = reference.target().or_else(|| reference.resolve().ok()?.target())?;
    match odb.read_header(id).ok()?.1 {
        git2::ObjectType::Commit => Some(id),
        git2::ObjectType::Tag => {
            let tag = lib.find_tag(id).ok()?;
            match tag.target_type()? {
                git2::ObjectType::Commit => odb.exists(tag.target_id()).then(|| tag.target_id()),
                // A tag of a tag.
                _ => Some(reference.peel_to_commit().ok()?.id()),
            }
        }
        _ => None,
    }
}

fn lib_walk(lib: &git2::Repository, range: &CommitRange) -> Result<Vec<Oid>, git2::Error> {
    let mut walk = lib.revwalk()?;
    walk.set_sorting(git2::Sort::TOPOLOGICAL)?;
    for id in &range.include {
        walk.push(id.to_git2()?)?;
    }
    for id in &range.exclude {
        // A commit that is not in this clone cannot be reached from here, so there is nothing to hide.
        let _ = walk.hide(id.to_git2()?);
    }
    for pattern in &range.exclude_refs {
        walk.hide_glob(pattern)?;
    }
    walk.map(|id| id.map(Into::into)).collect()
}
