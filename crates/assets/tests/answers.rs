//! What the reference leaves to the network before it: ranges, revalidation, changes of the folder.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use isthmus_assets::{Answer, Asked, Assets, Content, Options};

fn open(root: &Path) -> Assets {
    Assets::open(root, Options::default(), Box::new(drop)).expect("a folder")
}

fn ask(assets: &Assets, path: &str, headers: &[(&str, &str)]) -> Answer {
    let pairs = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    });
    let headers: HeaderMap = pairs.collect();
    let url = format!("http://h.test{path}");
    let asked = Asked {
        method: &Method::GET,
        url: &url,
        headers: &headers,
    };
    assets.fetch(asked).expect("a URL")
}

fn span(answer: &Answer) -> Option<(u64, u64)> {
    match answer.content {
        Content::Nothing => None,
        Content::File { start, end, .. } => Some((start, end)),
    }
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().expect("ASCII").to_owned()
}

#[test]
fn ranges_and_tags() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ten.txt"), "0123456789").expect("a file");
    let assets = open(folder.path());
    let whole = ask(&assets, "/ten.txt", &[]);
    assert_eq!((whole.status.as_u16(), span(&whole)), (200, Some((0, 10))));
    let tag = tag(&whole);

    let part = ask(&assets, "/ten.txt", &[("range", "bytes=2-4")]);
    assert_eq!((part.status.as_u16(), span(&part)), (206, Some((2, 5))));
    assert_eq!(part.headers["content-range"], "bytes 2-4/10");
    assert!(!part.headers.contains_key("cache-control"));
    let same = ask(&assets, "/ten.txt", &[("range", "bytes=2-4"), ("if-range", &tag)]);
    assert_eq!(same.status, 206);
    let other = ask(
        &assets,
        "/ten.txt",
        &[("range", "bytes=2-4"), ("if-range", "\"other\"")],
    );
    assert_eq!((other.status.as_u16(), span(&other)), (200, Some((0, 10))));
    let beyond = ask(&assets, "/ten.txt", &[("range", "bytes=10-")]);
    assert_eq!((beyond.status.as_u16(), span(&beyond)), (416, None));
    assert_eq!(beyond.headers["content-range"], "bytes */10");

    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        let answer = ask(
            &assets,
            "/ten.txt",
            &[("if-none-match", &known), ("range", "bytes=0-1")],
        );
        assert_eq!((answer.status.as_u16(), span(&answer)), (304, None), "{known}");
        assert_eq!(answer.headers["etag"], *tag);
    }
    assert_eq!(
        ask(&assets, "/ten.txt", &[("if-none-match", "\"x\"")]).status,
        200
    );
}

#[test]
fn a_change_of_the_folder_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("a.txt", "one");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let complaints = Arc::clone(&heard);
    let complain = move |complaint| complaints.lock().expect("complaints").push(complaint);
    let assets = Assets::open(folder.path(), Options::default(), Box::new(complain)).expect("a folder");
    let before = tag(&ask(&assets, "/a.txt", &[]));
    write("a.txt", "three");
    let after = ask(&assets, "/a.txt", &[]);
    assert_ne!(tag(&after), before);
    assert_eq!(span(&after), Some((0, 5)));

    write("_redirects", "/old /a.txt\nnonsense\n");
    write("_headers", "/*\n  X: y\n");
    let until = Instant::now() + Duration::from_secs(10);
    while ask(&assets, "/old", &[]).status != 302 {
        assert!(Instant::now() < until, "the rules are read again");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(ask(&assets, "/a.txt", &[]).headers["x"], "y");
    let heard = heard.lock().expect("complaints");
    assert_eq!(
        heard
            .iter()
            .map(|complaint| (complaint.file, complaint.line))
            .collect::<Vec<_>>(),
        [("_redirects", 2)]
    );
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), "secret").expect("a file");
    fs::create_dir(folder.path().join("site")).expect("a folder");
    let assets = open(&folder.path().join("site"));
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/a/..%2f..%2fsecret",
        "/%2e%2e%2fsecret",
        "/%00",
        "/..%5csecret",
    ] {
        assert_eq!(ask(&assets, path, &[]).status, 404, "{path}");
    }
    let missing = Assets::open(&folder.path().join("none"), Options::default(), Box::new(drop));
    assert!(
        missing
            .err()
            .expect("an error")
            .to_string()
            .contains("none can't be read: ")
    );
}
