//! The order in which history is read: children before parents, one line of descent after the other. It is libgit2's, whose
//! own walk takes time with the square of the number of tips.

use std::collections::HashMap;

use crate::git::read::Oid;

/// Returns the commits that these tips reach, children before parents: the line of the last tip first. `parents` is called
/// once for each commit.
pub fn order_commits<E>(tips: &[Oid], mut parents: impl FnMut(&Oid) -> Result<Vec<Oid>, E>) -> Result<Vec<Oid>, E> {
    let mut ids: Vec<Oid> = Vec::new();
    let mut numbers: HashMap<Oid, usize> = HashMap::new();
    let mut number_of = |id: &Oid, ids: &mut Vec<Oid>| {
        *numbers.entry(id.clone()).or_insert_with(|| {
            ids.push(id.clone());
            ids.len() - 1
        })
    };
    let mut roots: Vec<usize> = Vec::new();
    for tip in tips {
        let before = ids.len();
        let number = number_of(tip, &mut ids);
        if number == before {
            roots.push(number);
        }
    }
    // By number: the parents, and how many children are not in the result yet.
    let mut parents_of: Vec<Vec<usize>> = Vec::new();
    let mut waiting: Vec<usize> = Vec::new();
    // `ids` grows while it is gone through, until nothing new is reached.
    while let Some(id) = ids.get(parents_of.len()).cloned() {
        let numbers: Vec<usize> = parents(&id)?.iter().map(|parent| number_of(parent, &mut ids)).collect();
        waiting.resize(ids.len().max(waiting.len()), 0);
        for number in &numbers {
            if let Some(waiting) = waiting.get_mut(*number) {
                *waiting += 1;
            }
        }
        parents_of.push(numbers);
    }
    let mut stack: Vec<usize> = roots.into_iter().filter(|root| waiting.get(*root) == Some(&0)).collect();
    let mut ordered = Vec::with_capacity(ids.len());
    while let Some(number) = stack.pop() {
        ordered.extend(ids.get(number).cloned());
        for parent in parents_of.get(number).into_iter().flatten() {
            if let Some(waiting) = waiting.get_mut(*parent) {
                *waiting -= 1;
                if *waiting == 0 {
                    stack.push(*parent);
                }
            }
        }
    }
    Ok(ordered)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Commits in a repository of their own, each with parents among those before it.
    fn make_commits(lib: &git2::Repository, parents: &[Vec<usize>]) -> Vec<git2::Oid> {
        let tree = lib.find_tree(lib.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let mut ids: Vec<git2::Oid> = Vec::new();
        for (at, parents) in parents.iter().enumerate() {
            // Times say nothing about the order: clocks differ.
            let time = git2::Time::new(1_700_000_000 + (at as i64 * 7919) % 1000, 0);
            let who = git2::Signature::new("T", "t@example.org", &time).unwrap();
            let parents: Vec<git2::Commit<'_>> = parents.iter().map(|at| lib.find_commit(ids[*at]).unwrap()).collect();
            let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
            ids.push(lib.commit(None, &who, &who, &format!("{at}"), &tree, &parents).unwrap());
        }
        ids
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn the_order_is_that_of_libgit2(
            seeds in proptest::collection::vec((0..4_usize, any::<u64>()), 1..40),
            tips in proptest::collection::vec(any::<usize>(), 1..8),
        ) {
            let parents: Vec<Vec<usize>> = seeds.iter().enumerate().map(|(at, (count, seed))| {
                let mut of: Vec<usize> = (0..*count as u64).filter(|_| at > 0).map(|n| (seed >> (8 * n)) as usize % at).collect();
                of.dedup();
                of
            }).collect();
            let dir = tempfile::tempdir().unwrap();
            let lib = git2::Repository::init_bare(dir.path()).unwrap();
            let ids = make_commits(&lib, &parents);
            // Each once, as refs are given.
            let tips: BTreeSet<git2::Oid> = tips.iter().map(|tip| ids[tip % ids.len()]).collect();
            let mut walk = lib.revwalk().unwrap();
            walk.set_sorting(git2::Sort::TOPOLOGICAL).unwrap();
            tips.iter().for_each(|tip| walk.push(*tip).unwrap());
            let expected: Vec<Oid> = walk.map(|id| id.unwrap().into()).collect();
            let tips: Vec<Oid> = tips.into_iter().map(Into::into).collect();
            let parents_of = |id: &Oid| Ok::<_, Infallible>(
                lib.find_commit(git2::Oid::from_str(id.as_str()).unwrap()).unwrap().parent_ids().map(Into::into).collect()
            );
            prop_assert_eq!(order_commits(&tips, parents_of).unwrap(), expected);
        }
    }

    #[test]
    fn an_error_is_passed_on() {
        assert_eq!(order_commits(&[Oid::null()], |_| Err("gone")), Err("gone"));
        assert_eq!(order_commits(&[], |_| Err("gone")), Ok(Vec::new()));
    }
}
