//! An object store: a real S3 server on this machine that looks at who asks, DVC's own client, credentials where its users
//! keep them. What is secret is in no output, no file of ours, no commit.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::{Case, FIRST, SECOND, THIRD, commit_run, id, runs_in};
use crate::hooks::{select, select_in};
use crate::tools;
use crate::world::{Said, World, copy_dir, files, tree};

pub const CASES: &[Case] = &[
    Case {
        line: "S3: init, commit, push, clone, pull; credentials in ~/.aws, the environment, .dvc/config.local",
        run: whole_way,
    },
    Case { line: "S3: wrong credentials, and a server that is away: told, nothing lost, no secret told", run: refused },
];

/// Starts the server, makes a bucket and a user who alone may use it, says where and who, and ends with its input.
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

/// The running server; gone when dropped.
struct Store {
    child: Child,
    address: String,
    key: String,
    secret: String,
}

impl Store {
    fn start(world: &World) -> Self {
        let python = tools::venv("moto", &["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"]).join("python");
        let mut command = world.command(python, ".");
        let command = command.args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let [address, key, secret] = words.try_into().expect("address, key and secret");
        Self { child, address, key, secret }
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

/// All that was said, to be searched for secrets.
#[derive(Default)]
struct Heard(std::cell::RefCell<String>);

impl Heard {
    fn hear(&self, said: Said) -> Said {
        self.0.borrow_mut().push_str(&said.all());
        said
    }

    /// Neither what was said nor any file that git or we made holds the secret; `own` names the user's places for it.
    #[track_caller]
    fn tells_nothing(&self, world: &World, secret: &str, own: &[&str]) {
        assert!(!self.0.borrow().contains(secret), "{}", self.0.borrow());
        for path in files(&world.path("")) {
            let is_own = own.iter().any(|own| path == world.path(own));
            let holds = fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(secret));
            assert!(is_own || !holds, "{} holds the secret", path.display());
        }
        for dir in ["repo", "origin.git"] {
            // Commits, tags and their messages as well as files.
            let all = world.git_in(dir, ["rev-list", "--objects", "--all"]).ok().out;
            for object in all.lines().filter_map(|line| line.split(' ').next()) {
                assert!(!world.git_in(dir, ["cat-file", "-p", object]).ok().out.contains(secret), "{dir} {object}");
            }
        }
    }
}

/// A repository whose data goes to the server, its first run committed, `~/.aws/credentials` in place.
fn project(heard: &Heard) -> (World, Store) {
    let mut world = World::new_with(&tools::venv("dvc-s3", &[&format!("dvc[s3]=={}", tools::DVC)]));
    let store = Store::start(&world);
    world.set("AWS_DEFAULT_REGION", "us-east-1");
    fs::create_dir_all(world.path("home/.aws")).unwrap();
    fs::write(world.path("home/.aws/credentials"), store.credentials(&store.secret)).unwrap();
    world.git_in(".", ["init", "-q", "repo"]).ok();
    world.git_in(".", ["init", "-q", "--bare", "origin.git"]).ok();
    let with_secret = format!("s3://{}:{}@captures/data", store.key, store.secret);
    assert!(!heard.hear(world.hook(["init", "--remote", &with_secret])).fails(2).all().contains(&store.secret));
    heard.hear(world.hook(["-v", "init", "--remote", "s3://captures/data"])).ok();
    world.dvc(["remote", "modify", "storage", "endpointurl", &store.address]).ok();
    world.git(["add", "-A"]).ok();
    world.git(["commit", "-q", "-m", "Set up"]).ok();
    world.git(["remote", "add", "origin", "../origin.git"]).ok();
    for (case, key) in [("ok-head01", FIRST), ("ok-pypi010", SECOND), ("ok-rotated-pypi010", THIRD)] {
        assert_eq!(world.record(case), key);
    }
    commit_run(&world, FIRST);
    (world, store)
}

fn whole_way(_: World) {
    let heard = Heard::default();
    let (mut world, store) = project(&heard);
    heard.hear(world.git(["push", "--follow-tags", "origin", "main"])).ok();
    commit_run(&world, SECOND);
    heard.hear(world.hook(["-v", "push"])).ok();
    assert!(world.dvc(["status", "-c"]).ok().out.contains("in sync"));
    heard.hear(world.git(["push", "--follow-tags", "origin", "main"])).ok();
    heard.hear(world.hook(["check", "--remote"])).ok();
    assert!(heard.hear(world.hook(["status"])).ok().out.contains("data: sent to the DVC remote; git: pushed"));
    let data = tree(&world.repo("data/captures"));

    // In the environment, as CI has them.
    fs::remove_dir_all(world.path("home/.aws")).unwrap();
    world.set("AWS_ACCESS_KEY_ID", &store.key);
    world.set("AWS_SECRET_ACCESS_KEY", &store.secret);
    world.git_in(".", ["clone", "-q", "origin.git", "clone"]).ok();
    heard.hear(world.hook_in("clone", ["install"])).ok();
    heard.hear(world.hook_in("clone", ["-v", "pull"])).ok();
    assert!(tree(&world.path("clone/data/captures")) == data);
    world.unset("AWS_ACCESS_KEY_ID");
    world.unset("AWS_SECRET_ACCESS_KEY");

    // In DVC's local settings; and a clone that never pulled commits, switches and pushes.
    world.git_in(".", ["clone", "-q", "origin.git", "third"]).ok();
    heard.hear(world.hook_in("third", ["install"])).ok();
    let local = |name: &str, value: &str| {
        world.dvc_in("third", ["remote", "modify", "--local", "storage", name, value]).ok();
    };
    local("access_key_id", &store.key);
    local("secret_access_key", &store.secret);
    copy_dir(&world.repo("results"), &world.path("third/results"));
    select_in(&world, "third", THIRD);
    heard.hear(world.git_in("third", ["commit", "-am", "x"])).ok();
    assert_eq!(runs_in(&world, "third"), [SECOND, FIRST, THIRD]);
    heard.hear(world.git_in("third", ["push", "-q", "origin", "main"])).ok();
    fs::remove_dir_all(world.path("third/.dvc/cache")).unwrap();
    heard.hear(world.git_in("third", ["checkout", "HEAD~2"])).ok();
    assert_eq!(runs_in(&world, "third"), [FIRST]);
    heard.hear(world.git_in("third", ["checkout", "main"])).ok();
    // Written into the address itself, it is not shown either.
    let address = format!("s3://{}:{}@captures/data", store.key, store.secret);
    world.dvc_in("third", ["remote", "modify", "--local", "storage", "url", &address]).ok();
    heard.hear(world.hook_in("third", ["doctor"]));
    heard.hear(world.hook_in("third", ["init", "--remote", "s3://other/data"])).fails(2);
    heard.tells_nothing(&world, &store.secret, &["third/.dvc/config.local"]);
}

fn refused(_: World) {
    let heard = Heard::default();
    let (world, store) = project(&heard);
    let wrong = "wR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ngwR0ng";
    fs::write(world.path("home/.aws/credentials"), store.credentials(wrong)).unwrap();
    let stops = |why: &str| {
        let head = id(&world, "HEAD");
        let said = heard.hear(world.git(["push", "origin", "main"])).fails(1);
        assert!(said.err.contains(why) && said.err.contains("did not get to the DVC remote"), "{}", said.err);
        assert_eq!(world.git_in("origin.git", ["branch"]).ok().out, "");
        heard.hear(world.hook(["-v", "push"])).fails(4);
        assert_eq!(id(&world, "HEAD"), head);
    };
    stops("403");
    // The data is here, so commits go on; what is not here is told, and git does what it was asked to.
    commit_run(&world, SECOND);
    fs::write(world.path("home/.aws/credentials"), store.credentials(&store.secret)).unwrap();
    heard.hear(world.git(["push", "origin", "HEAD:refs/heads/other"])).ok();
    world.git(["checkout", "-q", "HEAD~1"]).ok();
    fs::remove_dir_all(world.repo(".dvc/cache")).unwrap();
    fs::write(world.path("home/.aws/credentials"), store.credentials(wrong)).unwrap();
    let said = heard.hear(world.git(["checkout", "main"])).ok();
    assert!(said.err.contains("is not here") && said.err.contains("capture-hook pull"), "{}", said.err);
    let said = heard.hear(world.hook(["pull"])).fails(4);
    assert!(said.err.contains("403"), "{}", said.err);
    select(&world, THIRD);
    let said = heard.hear(world.git(["commit", "-am", "x"])).fails(1);
    assert!(said.err.contains("403"), "{}", said.err);
    // A server that is away.
    world.dvc(["remote", "modify", "--local", "storage", "endpointurl", "http://127.0.0.1:9"]).ok();
    let said = heard.hear(world.hook(["pull"])).fails(4);
    assert!(said.err.contains("127.0.0.1:9"), "{}", said.err);
    heard.tells_nothing(&world, wrong, &["home/.aws/credentials"]);
    heard.tells_nothing(&world, &store.secret, &[]);
    // Back again, with the right ones: nothing is lost.
    world.dvc(["remote", "modify", "--local", "storage", "--unset", "endpointurl"]).ok();
    fs::write(world.path("home/.aws/credentials"), store.credentials(&store.secret)).unwrap();
    heard.hear(world.git(["commit", "-am", "x"])).ok();
    assert_eq!(runs_in(&world, "repo"), [SECOND, FIRST, THIRD]);
    heard.hear(world.git(["push", "-q", "origin", "main"])).ok();
}
