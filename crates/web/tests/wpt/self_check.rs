//! Checks the runner on a checkout of its own making, with a harness of a few lines: that what differs
//! from the lists is reported in both directions, and that a crash or a hang fails one file alone.

use std::path::Path;
use std::process::Command;

use crate::CHECKOUT;

/// Gives files of tests a function `abortProcess`.
pub(crate) const CAN_CRASH: &str = "ISTHMUS_WPT_CAN_CRASH";

/// As much of the harness's surface as the runner uses.
const HARNESS: &str = r#"
(function (scope) {
  const callbacks = [], tests = [], waiting = [];
  scope.add_result_callback = (callback) => callbacks.push(callback);
  let completed;
  scope.add_completion_callback = (callback) => { completed = callback; };
  scope.test = (run, name) => {
    const test = { name, status: 0, message: null };
    tests.push(test);
    try { run(); } catch (error) { test.status = 1; test.message = `${error}`; }
    callbacks.forEach((callback) => callback(test));
  };
  scope.promise_test = (run, name) => {
    const test = { name, status: 3, message: null };
    tests.push(test);
    waiting.push(run().then(() => { test.status = 0; callbacks.forEach((callback) => callback(test)); }));
  };
  scope.timeout = () => completed(tests, { status: 2 });
  Promise.resolve().then(() => Promise.all(waiting)).then(() => completed(tests, { status: 0 }));
})(globalThis);
"#;

const FILES: &[(&str, &str)] = &[
    ("resources/testharness.js", HARNESS),
    ("resources/data.json", "{\"answer\": 42}"),
    (
        "resources/data.json.headers",
        "X-Header: a value \nContent-Type: own/type\n",
    ),
    (
        "resources/whole.asis",
        "HTTP/1.1 280 Quite Fine\nX-Twice: 1\nX-Twice: 2\n\nbody",
    ),
    (
        "url/resources/names.sub.js",
        "const names = '{{host}}:{{ports[http][0]}}';",
    ),
    (
        "url/good.any.js",
        "// META: global=window,worker\n// META: script=resources/names.sub.js\n// META: variant=?1\n// META: variant=?2\n\
         test(() => { if (names !== 'web-platform.test:8000') throw names; }, 'substitution');\n\
         test(() => { if (GLOBAL.isWindow() || !/^\\?[12]$/.test(location.search)) throw location; }, 'scope');\n\
         test(() => {}, 'twice'); test(() => { throw 1; }, 'twice');\n\
         promise_test(async () => {\n\
           const data = await (await fetch('../resources/data.json')).json();\n\
           if (data.answer !== 42) throw 1; }, 'files');\n\
         promise_test(async () => {\n\
           const file = await fetch('../resources/data.json'), whole = await fetch('/resources/whole.asis');\n\
           const echo = await fetch('/fetch/api/resources/echo-content.py', {\n\
             method: 'POST', body: ReadableStream.from([new Uint8Array([104]), new Uint8Array([105])]) });\n\
           const status = await fetch('/fetch/api/resources/status.py?code=201&text=a%20b&content=%c3%a9');\n\
           const gone = await fetch('/fetch/api/resources/other.py').catch((error) => error.name);\n\
           const far = await fetch('http://elsewhere.test/').catch((error) => error.name);\n\
           const all = [file.headers.get('x-header'), file.headers.get('content-type'), whole.status, whole.statusText,\n\
             whole.headers.get('x-twice'), await whole.text(), await echo.text(), status.status, status.statusText,\n\
             await status.text(), (await fetch('/gone')).status, gone, far].join();\n\
           if (all !== 'a value,own/type,280,Quite Fine,1, 2,body,hi,201,a b,\u{e9},404,TypeError,TypeError') throw all;\n\
         }, 'server');\n\
         promise_test(() => new Promise((resolve) => setTimeout(resolve, 20)), 'timers');",
    ),
    ("url/out.any.js", "test(() => { throw 1; }, 'left out');"),
    (
        "encoding/crash.any.js",
        "test(() => {}, 'before'); abortProcess();",
    ),
    (
        "encoding/hang.any.js",
        "test(() => {}, 'first'); promise_test(() => new Promise(() => {}), 'never');",
    ),
    ("encoding/none.any.js", ""),
];

const EXCLUDED: &str = "[[excluded]]\nfile = \"url/out.any.js\"\nwhy = \"a check\"\n";

/// Makes the checkout and its lists in a temporary folder and looks at what the runner says of them.
pub(crate) fn run() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let root = folder.path();
    for (path, text) in FILES {
        write(&root.join(path), text)?;
    }
    write(&root.join("lists/excluded.toml"), EXCLUDED)?;

    let (passed, said) = start(root, &["url"])?;
    expect(!passed, "a failure that is not listed passed", &said)?;
    expect(
        said.contains("FAILED twice (2)"),
        "the failure is not named",
        &said,
    )?;
    expect(
        said.contains("| url | 2 | 1 | 14 | 12 | 85.7 |"),
        "the figures are wrong",
        &said,
    )?;

    let (passed, said) = start(root, &["url", "--update"])?;
    expect(passed, "an update failed", &said)?;
    let (passed, said) = start(root, &["url"])?;
    expect(passed, "what is listed failed", &said)?;

    let list = root.join("lists/url.toml");
    let text = std::fs::read_to_string(&list).map_err(|error| error.to_string())?;
    write(
        &list,
        &text
            .replace("unexplained", "a reason")
            .replace("\"twice (2)\",", "\"twice (2)\", \"scope\", \"gone\","),
    )?;
    let (passed, said) = start(root, &["url"])?;
    expect(!passed, "an unexpected pass passed", &said)?;
    expect(
        said.contains("PASSED, THOUGH LISTED scope"),
        "the pass is not named",
        &said,
    )?;
    expect(
        said.contains("LISTED, BUT DID NOT RUN gone"),
        "what is gone is not named",
        &said,
    )?;
    start(root, &["url", "--update"])?;
    let text = std::fs::read_to_string(&list).map_err(|error| error.to_string())?;
    expect(
        text.contains("a reason") && !text.contains("scope"),
        "an update lost a reason or kept a pass",
        &text,
    )?;

    let (passed, said) = start(root, &["encoding"])?;
    expect(!passed, "a crash passed", &said)?;
    for needed in [
        "FAILED before",
        "FAILED never",
        "has no subtests",
        "waits for what never comes",
        "| encoding | 3 | 0 |",
    ] {
        expect(said.contains(needed), &format!("{needed:?} is missing"), &said)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs the runner; whether it was content, and what it said.
fn start(root: &Path, arguments: &[&str]) -> Result<(bool, String), String> {
    let output = std::env::current_exe()
        .and_then(|program| {
            Command::new(program)
                .args(arguments)
                .arg("--lists")
                .arg(root.join("lists"))
                .env(CHECKOUT, root)
                .env(CAN_CRASH, "1")
                .output()
        })
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), said.into_owned()))
}

fn expect(holds: bool, complaint: &str, said: &str) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(format!("the runner's own check: {complaint}\n{said}")),
    }
}
