//! An object store: a real S3 server on this machine that checks signatures, DVC's own client, credentials where its
//! users keep them. What is secret is in no output, no file of ours, no commit.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::env::{CommandOutput, FIRST, SECOND, THIRD, TestEnv, copy_dir, files, tree};
use crate::{python, tools};

/// Starts the server, makes a bucket and a user who alone may use it, prints address and credentials, and ends with
/// its input.
const SERVER: &str = r#"
import json, sys, boto3, urllib.request
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://%s:%d" % server.get_host_and_port()
root = dict(endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
boto3.client("s3", **root).create_bucket(Bucket="captures")
iam = boto3.client("iam", **root)
iam.create_user(UserName="ada")
allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="ada", PolicyName="all", PolicyDocument=json.dumps(allow))
key = iam.create_access_key(UserName="ada")["AccessKey"]
# From here on the server checks every signature.
urllib.request.urlopen(urllib.request.Request(url + "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}))
print(url, key["AccessKeyId"], key["SecretAccessKey"], flush=True)
sys.stdin.read()
"#;

const SERVER_PACKAGES: [&str; 3] = ["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"];

/// A directory with a DVC in it that knows S3.
pub fn dvc_with_s3() -> PathBuf {
    tools::venv("dvc-s3", &[&format!("dvc[s3]=={}", tools::DVC)])
}

/// The running server; gone when dropped.
pub struct Store {
    child: Child,
    address: String,
    key: String,
    secret: String,
}

impl Store {
    /// Starts one; its programs get the environment's variables.
    pub fn start(env: &TestEnv) -> Self {
        let python = tools::venv("moto", &SERVER_PACKAGES).join("python");
        let mut command = env.command(python, ".");
        let command = command.args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let [address, key, secret] = words.try_into().expect("address, key and secret");
        Self { child, address, key, secret }
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes its credentials those of the environment's user, with this secret or its own.
    pub fn give_credentials(&self, env: &TestEnv, secret: Option<&str>) {
        fs::create_dir_all(env.path("home/.aws")).unwrap();
        fs::write(env.path("home/.aws/credentials"), self.credentials(secret.unwrap_or(&self.secret))).unwrap();
    }

    /// Runs lines of Python that use `s3`, a client of the bucket `captures`.
    pub fn run_client(&self, env: &TestEnv, code: &str) -> CommandOutput {
        let python = tools::venv("moto", &SERVER_PACKAGES).join("python");
        let client = format!(
            "import boto3\ns3 = boto3.client('s3', endpoint_url='{}', region_name='us-east-1', aws_access_key_id='{}', aws_secret_access_key='{}')\n{code}",
            self.address, self.key, self.secret
        );
        env.run_in(".", python.to_str().unwrap(), ["-c", &client]).ok()
    }

    /// The credentials as `~/.aws/credentials` has them.
    fn credentials(&self, secret: &str) -> String {
        format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {secret}\n", self.key)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of all commands, to be searched for secrets.
#[derive(Default)]
struct Transcript(std::cell::RefCell<String>);

impl Transcript {
    fn keep(&self, output: CommandOutput) -> CommandOutput {
        self.0.borrow_mut().push_str(&output.both());
        output
    }

    /// Neither the output nor any file that git or we made holds the secret; `own` names the user's places for it.
    #[track_caller]
    fn assert_hides(&self, env: &TestEnv, secret: &str, own: &[&str]) {
        assert!(!self.0.borrow().contains(secret), "{}", self.0.borrow());
        for path in files(&env.path("")) {
            let is_own = own.iter().any(|own| path == env.path(own));
            let holds = fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(secret));
            assert!(is_own || !holds, "{} holds the secret", path.display());
        }
        for dir in ["repo", "origin.git"] {
            // Commits, tags and their messages as well as files.
            let all = env.git_in(dir, ["rev-list", "--objects", "--all"]).ok().stdout;
            for object in all.lines().filter_map(|line| line.split(' ').next()) {
                assert!(!env.git_in(dir, ["cat-file", "-p", object]).ok().stdout.contains(secret), "{dir} {object}");
            }
        }
    }
}

/// The same for tests of other subjects.
pub fn stored_project() -> (TestEnv, Store) {
    project(&Transcript::default())
}

/// A repository whose data goes to the server, its first run committed, `~/.aws/credentials` in place.
fn project(transcript: &Transcript) -> (TestEnv, Store) {
    let mut env = TestEnv::empty_with(&dvc_with_s3());
    let store = Store::start(&env);
    env.set("AWS_DEFAULT_REGION", "us-east-1");
    store.give_credentials(&env, None);
    env.git_in(".", ["init", "-q", "repo"]).ok();
    env.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    let with_secret = format!("s3://{}:{}@captures/data", store.key, store.secret);
    assert!(!transcript.keep(env.hook(["init", "--remote", &with_secret])).fails(2).both().contains(&store.secret));
    transcript.keep(env.hook(["-v", "init", "--remote", "s3://captures/data"])).ok();
    env.dvc(["remote", "modify", "storage", "endpointurl", &store.address]).ok();
    env.git(["add", "-A"]).ok();
    env.git(["commit", "-q", "-m", "Set up"]).ok();
    env.git(["remote", "add", "origin", "../origin.git"]).ok();
    for (case, key) in [("ok-head01", FIRST), ("ok-pypi010", SECOND), ("ok-rotated-pypi010", THIRD)] {
        assert_eq!(env.record(case), key);
    }
    env.commit_run(FIRST);
    (env, store)
}

/// U10: Init, commit, push, clone and pull with S3: credentials in ~/.aws, the environment, .dvc/config.local.
#[test]
fn s3_works_with_credentials_in_each_of_their_places() {
    let transcript = Transcript::default();
    let (mut env, store) = project(&transcript);
    transcript.keep(env.git(["push", "--follow-tags", "origin", "main"])).ok();
    env.commit_run(SECOND);
    transcript.keep(env.hook(["-v", "push"])).ok();
    assert!(env.dvc(["status", "-c"]).ok().stdout.contains("in sync"));
    transcript.keep(env.git(["push", "--follow-tags", "origin", "main"])).ok();
    transcript.keep(env.hook(["check", "--remote"])).ok();
    assert!(transcript.keep(env.hook(["status"])).ok().stdout.contains("data: sent to the DVC remote; git: pushed"));
    let data = tree(&env.repo("data/captures"));

    // In the environment, as CI has them.
    fs::remove_dir_all(env.path("home/.aws")).unwrap();
    env.set("AWS_ACCESS_KEY_ID", &store.key);
    env.set("AWS_SECRET_ACCESS_KEY", &store.secret);
    env.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    transcript.keep(env.hook_in("clone", ["install"])).ok();
    transcript.keep(env.hook_in("clone", ["-v", "pull"])).ok();
    assert!(tree(&env.path("clone/data/captures")) == data);
    env.unset("AWS_ACCESS_KEY_ID");
    env.unset("AWS_SECRET_ACCESS_KEY");

    // In DVC's local settings; and a clone that never pulled commits, switches and pushes.
    env.git_in(".", ["clone", "-q", "origin.git", "third"]).ok();
    transcript.keep(env.hook_in("third", ["install"])).ok();
    let local = |name: &str, value: &str| {
        env.dvc_in("third", ["remote", "modify", "--local", "storage", name, value]).ok();
    };
    local("access_key_id", &store.key);
    local("secret_access_key", &store.secret);
    copy_dir(&env.repo("results"), &env.path("third/results"));
    env.select_in("third", THIRD);
    transcript.keep(env.git_in("third", ["commit", "-am", "x"])).ok();
    assert_eq!(env.runs_in("third"), [SECOND, FIRST, THIRD]);
    transcript.keep(env.git_in("third", ["push", "-q", "origin", "main"])).ok();
    fs::remove_dir_all(env.path("third/.dvc/cache")).unwrap();
    transcript.keep(env.git_in("third", ["checkout", "HEAD~2"])).ok();
    assert_eq!(env.runs_in("third"), [FIRST]);
    transcript.keep(env.git_in("third", ["checkout", "main"])).ok();
    // Written into the address itself, it is not shown either.
    let address = format!("s3://{}:{}@captures/data", store.key, store.secret);
    env.dvc_in("third", ["remote", "modify", "--local", "storage", "url", &address]).ok();
    transcript.keep(env.hook_in("third", ["doctor"]));
    transcript.keep(env.hook_in("third", ["init", "--remote", "s3://other/data"])).fails(2);
    transcript.assert_hides(&env, &store.secret, &["third/.dvc/config.local"]);
    env.assert_cache_is_whole();
}

/// U10: S3 with wrong credentials, and a server that is away: nothing is lost, and no secret is shown.
#[test]
fn s3_refusals_lose_nothing_and_show_no_secret() {
    let transcript = Transcript::default();
    let (env, store) = project(&transcript);
    let wrong = "wR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ng";
    fs::write(env.path("home/.aws/credentials"), store.credentials(wrong)).unwrap();
    let stops = |why: &str| {
        let head = env.id("HEAD");
        let output = transcript.keep(env.git(["push", "origin", "main"])).fails(1);
        assert!(output.stderr.contains(why) && output.stderr.contains("cannot send data of "), "{}", output.stderr);
        assert_eq!(env.git_in("origin.git", ["branch"]).ok().stdout, "");
        transcript.keep(env.hook(["-v", "push"])).fails(4);
        assert_eq!(env.id("HEAD"), head);
    };
    stops("403");
    // The data is here, so commits go on; what is not here is reported, and git does what it was asked to.
    env.commit_run(SECOND);
    fs::write(env.path("home/.aws/credentials"), store.credentials(&store.secret)).unwrap();
    transcript.keep(env.git(["push", "origin", "HEAD:refs/heads/other"])).ok();
    env.git(["checkout", "-q", "HEAD~1"]).ok();
    fs::remove_dir_all(env.repo(".dvc/cache")).unwrap();
    fs::write(env.path("home/.aws/credentials"), store.credentials(wrong)).unwrap();
    let output = transcript.keep(env.git(["checkout", "main"])).ok();
    assert!(
        output.stderr.contains("is not checked out") && output.stderr.contains("capture-hook pull"),
        "{}",
        output.stderr
    );
    let output = transcript.keep(env.hook(["pull"])).fails(4);
    assert!(output.stderr.contains("403"), "{}", output.stderr);
    env.select(THIRD);
    let output = transcript.keep(env.git(["commit", "-am", "x"])).fails(1);
    assert!(output.stderr.contains("403"), "{}", output.stderr);
    // A server that is away.
    env.dvc(["remote", "modify", "--local", "storage", "endpointurl", "http://127.0.0.1:9"]).ok();
    let output = transcript.keep(env.hook(["pull"])).fails(4);
    assert!(output.stderr.contains("127.0.0.1:9"), "{}", output.stderr);
    transcript.assert_hides(&env, wrong, &["home/.aws/credentials"]);
    transcript.assert_hides(&env, &store.secret, &[]);
    // Back again, with the right ones: nothing is lost.
    env.dvc(["remote", "modify", "--local", "storage", "--unset", "endpointurl"]).ok();
    fs::write(env.path("home/.aws/credentials"), store.credentials(&store.secret)).unwrap();
    transcript.keep(env.git(["commit", "-am", "x"])).ok();
    assert_eq!(env.runs_in("repo"), [SECOND, FIRST, THIRD]);
    transcript.keep(env.git(["push", "-q", "origin", "main"])).ok();
    env.assert_cache_is_whole();
}

/// `Dataset` in Python fetches from S3 what is read, file by file.
#[test]
fn python_fetches_single_files_from_s3() {
    let transcript = Transcript::default();
    let (mut env, store) = project(&transcript);
    transcript.keep(env.git(["push", "--follow-tags", "origin", "main"])).ok();
    env.git_in(".", ["clone", "-q", "-c", "core.hooksPath=/dev/null", "origin.git", "clone"]).ok();
    python::give_environments(&mut env);
    let run = |code: &str| {
        let code = format!("import capture_hook, pyarrow\nds = capture_hook.Dataset('clone')\n{code}");
        transcript.keep(env.run_in(".", "python", ["-c", &code]))
    };
    let objects =
        || tree(&env.path("clone/.dvc/cache/files/md5")).keys().filter(|name| !name.ends_with(".dir")).count();
    let count = |output: CommandOutput| output.ok().stdout.trim().parse::<usize>().unwrap();
    let steps = count(run("print(pyarrow.table(ds.steps()).num_rows)"));
    assert!(steps > 0 && objects() == 1, "{steps} steps of {} objects", objects());
    assert_eq!((count(run("print(len(ds.runs()))")), objects()), (1, 5));
    assert_eq!(count(run(&format!("print(len(list(ds.path('{FIRST}').iterdir())))"))), objects());
    assert!(!env.path("clone/data/captures/nav").exists(), "the working tree stays as it is");
    // A server that refuses, asked for what is not here.
    fs::remove_dir_all(env.path("clone/.dvc/cache")).unwrap();
    fs::remove_dir_all(env.path("clone/.git/capture-hook")).unwrap();
    fs::write(env.path("home/.aws/credentials"), store.credentials("wR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ng"))
        .unwrap();
    let refused = run("").fails(1);
    assert!(
        refused.stderr.contains("capture_hook.errors.DatasetError") && refused.stderr.contains("403"),
        "{}",
        refused.stderr
    );
    transcript.assert_hides(&env, &store.secret, &[]);
    env.assert_cache_is_whole();
}
