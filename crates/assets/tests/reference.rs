//! What the reference answers to the same requests (`reference/record.mjs`).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::FileExt;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use isthmus_assets::{Asked, Assets, Content, Options};
use isthmus_project::{HtmlHandling, NotFoundHandling, RunWorkerFirst};
use serde_json::{Value, json};

const HEADERS: [&str; 6] = ["location", "content-type", "cache-control", "x", "y", "link"];

fn read(name: &str) -> Value {
    let path = format!("{}/tests/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

fn options(given: &Value) -> Options {
    let html_handling = match given["html_handling"].as_str() {
        None | Some("auto-trailing-slash") => HtmlHandling::AutoTrailingSlash,
        Some("force-trailing-slash") => HtmlHandling::ForceTrailingSlash,
        Some("drop-trailing-slash") => HtmlHandling::DropTrailingSlash,
        _ => HtmlHandling::None,
    };
    let not_found_handling = match given["not_found_handling"].as_str() {
        Some("single-page-application") => NotFoundHandling::SinglePageApplication,
        Some("404-page") => NotFoundHandling::NotFoundPage,
        _ => NotFoundHandling::None,
    };
    let date = given["compatibility_date"].as_str().unwrap_or("2026-04-20");
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|text| text.as_str().expect("text").to_owned()).collect()
    };
    let run_worker_first = match &given["static_routing"] {
        Value::Null if given["worker_first"] == true => RunWorkerFirst::Always,
        Value::Null => RunWorkerFirst::Never,
        routing => RunWorkerFirst::Patterns {
            worker: texts(&routing["user_worker"]),
            assets: texts(&routing["asset_worker"]),
        },
    };
    Options {
        html_handling,
        not_found_handling,
        run_worker_first,
        navigation_prefers_assets: date >= "2025-04-01",
    }
}

fn answer(assets: &Assets, asked: &Value) -> Value {
    let (method, target) = asked[0]
        .as_str()
        .expect("a line")
        .split_once(' ')
        .expect("two words");
    let url = url::Url::parse(&format!("http://example.com{target}")).expect("a URL");
    let mut headers = HeaderMap::new();
    for (name, value) in asked[1].as_object().into_iter().flatten() {
        let value = HeaderValue::from_str(value.as_str().expect("text")).expect("a value");
        headers.insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), value);
    }
    let method: Method = method.parse().expect("a method");
    let asked = Asked {
        method: &method,
        url: url.as_str(),
        headers: &headers,
    };
    let worker = json!({"status": 200, "headers": {"content-type": "text/plain;charset=UTF-8"}, "tagged": false,
        "body": if method == Method::HEAD { String::new() } else { format!("worker {}", url.path()) }});
    let Some(mut answer) = assets.route(asked) else {
        if url.query_pairs().any(|(name, _)| name == "binding") {
            return shown(assets.fetch(asked).expect("a URL"), &method);
        }
        return worker;
    };
    // The reference serves no ranges by itself.
    if answer.status == 206 {
        answer.status = http::StatusCode::OK;
        if let Content::File { file, start, end } = &mut answer.content {
            (*start, *end) = (0, file.metadata().expect("a file").len());
        }
    }
    shown(answer, &method)
}

fn shown(answer: isthmus_assets::Answer, method: &Method) -> Value {
    let mut body = String::new();
    if let (Content::File { file, start, end }, true) = (&answer.content, method != Method::HEAD) {
        let mut bytes = vec![0; (end - start) as usize];
        file.read_exact_at(&mut bytes, *start).expect("bytes");
        bytes.as_slice().read_to_string(&mut body).expect("UTF-8");
    }
    let kept: BTreeMap<_, _> = HEADERS
        .iter()
        .filter_map(|&name| {
            let values: Vec<_> = answer
                .headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().expect("ASCII"))
                .collect();
            (!values.is_empty()).then(|| (name, values.join(", ")))
        })
        .collect();
    json!({"status": answer.status.as_u16(), "headers": kept, "tagged": answer.headers.contains_key("etag"), "body": body})
}

#[test]
fn answers_are_the_references() {
    let cases = read("cases.json");
    let recorded = read("answers.json");
    let (mut differences, mut compared) = (Vec::new(), 0);
    for (number, (run, answers)) in cases["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .zip(recorded.as_array().expect("answers"))
        .enumerate()
    {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in cases["files"]
            .as_object()
            .into_iter()
            .chain(run["extra"].as_object())
            .flatten()
        {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
            fs::write(file, text.as_str().expect("text")).expect("a file");
        }
        let options = options(&run["options"]);
        let assets = Assets::open(folder.path(), options, Box::new(drop)).expect("a folder");
        for (asked, expected) in run["asked"]
            .as_array()
            .expect("requests")
            .iter()
            .zip(answers.as_array().expect("answers"))
        {
            let ours = answer(&assets, asked);
            compared += 1;
            if ours != *expected {
                differences.push(format!("{number} {asked}\n  ours {ours}\n  reference {expected}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(compared > 1000, "only {compared} were compared");
}
