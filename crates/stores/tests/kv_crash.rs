//! No acknowledged write is lost when the process is killed under load. The test runs itself as its own child: a
//! writer that tells what was acknowledged, until it is killed.

use std::{
    collections::HashMap,
    env,
    error::Error,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use isthmus_protocol::kv::Operation;
use isthmus_stores::{
    kv::KvNamespace,
    sqlite::{SqliteOptions, SqliteStores},
};

const ROUNDS: u64 = 25;
const TASKS: u64 = 16;
const CHILD: &str = "--write-until-killed";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match arguments.iter().position(|argument| argument == CHILD) {
        Some(at) => runtime.block_on(write_until_killed(
            Path::new(&arguments[at + 1]),
            &arguments[at + 2],
        )),
        // Harness-less tests are still asked to list themselves.
        None if arguments.iter().any(|argument| argument == "--list") => Ok(()),
        None => runtime.block_on(kill_again_and_again()),
    }
}

fn namespace(root: &Path) -> Result<KvNamespace, Box<dyn Error>> {
    Ok(SqliteStores::new(root.to_owned(), SqliteOptions::default()).kv("crash")?)
}

/// What task `task` writes as number `number`: every size class, so that commits differ in length. Every seventh is
/// a deletion.
fn value(task: u64, number: u64) -> Option<Bytes> {
    let padding = [0, 10, 5000, 90_000, 300_000][(number % 5) as usize];
    (!number.is_multiple_of(7)).then(|| format!("{task} {number} {}", "x".repeat(padding)).into())
}

async fn write_until_killed(root: &Path, round: &str) -> Result<(), Box<dyn Error>> {
    let namespace = namespace(root)?;
    let first = round.parse::<u64>()? * 1_000_000;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let namespace = namespace.clone();
            tokio::spawn(async move {
                for number in first.. {
                    write(&namespace, task, number).await;
                    // One write call: a line is there whole or not at all.
                    let line = format!("{task} {number}\n");
                    io::stdout()
                        .lock()
                        .write_all(line.as_bytes())
                        .expect("the parent listens");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

async fn write(namespace: &KvNamespace, task: u64, number: u64) {
    let key = format!("task {task}");
    let (operation, value) = match value(task, number) {
        Some(value) => (
            Operation::Put {
                key: &key,
                expiration: None,
                expiration_ttl: None,
                metadata: None,
            },
            value,
        ),
        None => (Operation::Delete { key: &key }, Bytes::new()),
    };
    namespace.execute(&operation, value).await.expect("written");
}

async fn kill_again_and_again() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::TempDir::new()?;
    let root: PathBuf = folder.path().to_owned();
    let mut acknowledged: HashMap<u64, u64> = HashMap::new();
    let mut total = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe()?)
            .args([CHILD.as_ref(), root.as_os_str(), round.to_string().as_ref()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        // At another moment of its life each time.
        let patience = 1 + (round * 37) % 200;
        let mut heard = Vec::new();
        for _ in 0..patience {
            heard.push(lines.next().ok_or("the writer ended by itself")??);
        }
        tokio::time::sleep(Duration::from_micros((round * 1303) % 5000)).await;
        child.kill()?;
        for line in lines {
            heard.push(line?);
        }
        child.wait()?;
        total += heard.len();
        for line in heard {
            let (task, number) = line.split_once(' ').ok_or("a cut line")?;
            acknowledged.insert(task.parse()?, number.parse()?);
        }
        check(&root, &acknowledged, round).await?;
    }
    let file = rusqlite::Connection::open(root.join("kv/crash.sqlite"))?;
    let verdict: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(verdict, "ok");
    assert!(total as u64 >= ROUNDS, "the writer wrote: {total}");
    Ok(())
}

/// Each key holds what was acknowledged last, or the one write that was under way when the process died.
async fn check(root: &Path, acknowledged: &HashMap<u64, u64>, round: u64) -> Result<(), Box<dyn Error>> {
    let namespace = namespace(root)?;
    for (&task, &last) in acknowledged {
        let key = format!("task {task}");
        let answer = namespace
            .execute(
                &Operation::Get {
                    key: &key,
                    cache_ttl: None,
                },
                Bytes::new(),
            )
            .await?;
        // A task that was not heard of in this round may have done its first write of it.
        let next = [last + 1, round * 1_000_000];
        let found = answer.into_value().await?;
        let fits = |number: u64| found == value(task, number);
        assert!(
            fits(last) || next.into_iter().any(fits),
            "round {round}: {key} holds {:?}, but {last} was acknowledged",
            found
                .as_ref()
                .map(|value| String::from_utf8_lossy(&value[..value.len().min(40)]).into_owned())
        );
    }
    Ok(())
}
