//! Time limits: no program that a test starts, and no test, runs for ever; what does is ended, and its state is shown.
//!
//! [`output`] runs a program and ends it, with all that it started, after its limit. A [`Watch`] does so with a test
//! that waits for something else. Both show what `ps` prints. The processes of a test that fails do not outlive it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take: DVC starts in seconds, and the machine may be busy with other work.
pub const PROGRAM: Duration = Duration::from_secs(300);
/// How long a test may take, or a test with one type of links to DVC's cache.
const TEST: Duration = Duration::from_secs(20 * 60);
/// What has been ended and still does not end brings the whole run down after so long.
const GRACE: Duration = Duration::from_secs(60);

/// Runs a program to its end, in a process group of its own. After the limit it is killed with all that it started, and
/// the test fails with the command line, the output so far, and what `ps` showed.
#[track_caller]
pub fn output(command: &mut Command, limit: Duration) -> Output {
    let line = format!("{command:?}");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
    let pid = child.id();
    let (ended, end) = channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    match end.recv_timeout(limit) {
        Ok(output) => output.unwrap(),
        Err(RecvTimeoutError::Disconnected) => panic!("{line}: no thread waited for it"),
        Err(RecvTimeoutError::Timeout) => {
            let running = Running::now().below(pid);
            running.kill();
            // Nothing holds its pipes any more, unless it has started something out of sight.
            let said = end.recv_timeout(GRACE).ok().and_then(Result::ok);
            let text =
                |bytes: Option<&Vec<u8>>| String::from_utf8_lossy(bytes.map_or(b"?", Vec::as_slice)).into_owned();
            panic!(
                "{line}\ndid not end within {} s\n--- stdout\n{}\n--- stderr\n{}\n--- ps\n{}",
                limit.as_secs(),
                text(said.as_ref().map(|o| &o.stdout)),
                text(said.as_ref().map(|o| &o.stderr)),
                running.table(),
            )
        }
    }
}

/// A watch over a test that works in a directory: ends the processes there when the test takes too long.
pub struct Watch {
    number: usize,
    root: PathBuf,
}

struct Watched {
    what: String,
    root: PathBuf,
    since: Instant,
    ended: bool,
}

/// The tests under watch.
fn watched() -> &'static Mutex<BTreeMap<usize, Watched>> {
    static WATCHED: OnceLock<Mutex<BTreeMap<usize, Watched>>> = OnceLock::new();
    WATCHED.get_or_init(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                look();
            }
        });
        Mutex::default()
    })
}

impl Watch {
    /// A watch over the test of this thread.
    pub fn over(root: &Path) -> Self {
        let what = std::thread::current().name().unwrap_or("a test").to_owned();
        let mut watched = watched().lock().unwrap();
        let number = watched.keys().next_back().map_or(0, |last| last + 1);
        watched.insert(number, Watched { what, root: root.to_owned(), since: Instant::now(), ended: false });
        Self { number, root: root.to_owned() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        watched().lock().unwrap().remove(&self.number);
        if std::thread::panicking() {
            Running::now().within(&self.root).kill();
        }
    }
}

/// Ends what takes too long. Standard error itself: the harness keeps what is printed for the test that made the watch.
fn look() {
    for watched in watched().lock().unwrap().values_mut().filter(|watched| watched.since.elapsed() > TEST) {
        if watched.ended && watched.since.elapsed() > TEST + GRACE {
            let _ = writeln!(std::io::stderr(), "\n{} does not end; everything stops here", watched.what);
            std::process::abort();
        } else if !watched.ended {
            watched.ended = true;
            let running = Running::now().within(&watched.root);
            let (what, root) = (&watched.what, watched.root.display());
            let _ = writeln!(
                std::io::stderr(),
                "\n{what} did not end within {} s; its processes in {root} are ended:\n{}",
                TEST.as_secs(),
                running.table()
            );
            running.kill();
        }
    }
}

/// Processes, as `ps` shows them.
pub struct Running(Vec<Process>);

struct Process {
    pid: u32,
    parent: u32,
    group: u32,
    line: String,
}

impl Running {
    /// All there are.
    pub fn now() -> Self {
        let ps = Command::new("ps").args(["-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,etime=,args="]).output().unwrap();
        let lines = String::from_utf8_lossy(&ps.stdout).into_owned();
        Self(
            lines
                .lines()
                .filter_map(|line| {
                    let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
                    let (pid, parent, group) = (numbers.next()?, numbers.next()?, numbers.next()?);
                    Some(Process { pid, parent, group, line: line.to_owned() })
                })
                .collect(),
        )
    }

    /// Those of one process: itself, its group, and what they started.
    fn below(self, pid: u32) -> Self {
        let (mut found, mut rest) = (Vec::new(), self.0);
        loop {
            let pids: Vec<u32> = found.iter().map(|process: &Process| process.pid).collect();
            let is_its = |p: &Process| p.pid == pid || p.group == pid || pids.contains(&p.parent);
            let (its, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_its);
            if its.is_empty() {
                return Self(found);
            }
            found.extend(its);
            rest = others;
        }
    }

    /// Those that work in a directory; if the system does not show where, those that name it.
    pub fn within(mut self, root: &Path) -> Self {
        let name = root.to_string_lossy().into_owned();
        self.0.retain(|process| match std::fs::read_link(format!("/proc/{}/cwd", process.pid)) {
            Ok(dir) => dir.starts_with(root),
            Err(_) => !Path::new("/proc/self").exists() && process.line.contains(&name),
        });
        self
    }

    /// Kills them; how many there were.
    pub fn kill(&self) -> usize {
        for process in &self.0 {
            let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
            // It may be gone already.
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn table(&self) -> String {
        self.0.iter().map(|process| format!("{}\n", process.line)).collect()
    }
}

#[test]
fn a_program_that_does_not_end_is_killed_with_what_it_started_and_says_where_it_stood() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo so far; sleep 612 & exec sleep 613"]).current_dir(dir.path());
    let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| output(&mut command, Duration::from_secs(1))));
    let said = went.unwrap_err().downcast::<String>().unwrap();
    for part in ["/bin/sh", "so far", "sleep 612", "sleep 613"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(Running::now().within(dir.path()).table(), "");
}

#[test]
fn the_processes_of_a_test_that_fails_do_not_outlive_it() {
    let dir = tempfile::tempdir().unwrap();
    let went = std::panic::catch_unwind(|| {
        let _watch = Watch::over(dir.path());
        let mut shell = Command::new("/bin/sh");
        assert!(shell.args(["-c", "exec sleep 614 &"]).current_dir(dir.path()).status().unwrap().success());
        assert_eq!(Running::now().within(dir.path()).0.len(), 1);
        panic!("as a test fails");
    });
    assert_eq!(*went.unwrap_err().downcast::<&str>().unwrap(), "as a test fails");
    // What is killed takes a moment to be gone.
    while !Running::now().within(dir.path()).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
