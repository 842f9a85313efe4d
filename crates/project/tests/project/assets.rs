//! `assets`, and the small bindings.

use isthmus_project::{HtmlHandling, NotFoundHandling, RateLimit, RunWorkerFirst, StoredSecret};

use crate::folder::{Folder, with};

fn site(further: &str) -> Folder {
    let folder = with(further);
    folder.write("public/index.html", b"");
    folder
}

#[test]
fn assets_with_all_that_can_be_said() {
    let project = site(r#"  "assets": {"directory": "./public/"}"#).load();
    let assets = project.assets.expect("assets");
    assert!(assets.directory.ends_with("public"), "{:?}", assets.directory);
    assert_eq!(assets.binding, None);
    assert_eq!(assets.html_handling, HtmlHandling::AutoTrailingSlash);
    assert_eq!(assets.not_found_handling, NotFoundHandling::None);
    assert_eq!(assets.run_worker_first, RunWorkerFirst::Never);
    let project = site(
        r#"  "assets": {"directory": "public", "binding": "ASSETS", "html_handling": "drop-trailing-slash",
    "not_found_handling": "404-page", "run_worker_first": ["/a/*", "!/a/b", "/c"]}"#,
    )
    .load();
    let assets = project.assets.expect("assets");
    assert_eq!(assets.binding.as_deref(), Some("ASSETS"));
    assert_eq!(assets.html_handling, HtmlHandling::DropTrailingSlash);
    assert_eq!(assets.not_found_handling, NotFoundHandling::NotFoundPage);
    let patterns = RunWorkerFirst::Patterns {
        worker: vec!["/a/*".into(), "/c".into()],
        assets: vec!["/a/b".into()],
    };
    assert_eq!(assets.run_worker_first, patterns);
    assert!(with("").load().assets.is_none());
}

#[test]
fn assets_that_cannot_be_served() {
    for (assets, words) in [
        (r#"{"binding": "ASSETS"}"#, "error: `assets` has no `directory`"),
        (r#"{"directory": "nowhere"}"#, "nowhere does not exist"),
        (r#"{"directory": "src/entry.py"}"#, "entry.py is no folder"),
        (
            r#"{"directory": "public", "base_path": "/a"}"#,
            "`assets.base_path` is not served",
        ),
        (
            r#"{"directory": "public", "html_handling": "x"}"#,
            "`assets.html_handling` must be",
        ),
        (
            r#"{"directory": "public", "run_worker_first": ["a"]}"#,
            "begins with `/` or `!/`",
        ),
        (
            r#"{"directory": "public", "run_worker_first": ["/a", "/a"]}"#,
            "this pattern is there twice",
        ),
        (
            r#"{"directory": "public", "run_worker_first": ["!/a"]}"#,
            "needs a pattern without `!`",
        ),
        (
            r#"{"directory": "public", "run_worker_first": []}"#,
            "needs a pattern without `!`",
        ),
    ] {
        let report = site(&format!(r#"  "assets": {assets}"#)).errors();
        assert!(
            report.contains(words) && report.contains("wrangler.jsonc:6:"),
            "{assets}: {report}"
        );
    }
}

#[test]
fn a_build_may_make_the_folder() {
    let folder = with(r#"  "assets": {"directory": "dist"}, "build": {"command": "true"}"#);
    assert!(folder.load().assets.is_some());
}

#[test]
fn small_bindings() {
    let project = with(
        r#"  "ratelimits": [{"name": "LIMIT", "namespace_id": "7", "simple": {"limit": 5, "period": 60}}],
  "secrets_store_secrets": [{"binding": "TOKEN", "store_id": "s", "secret_name": "n"}],
  "version_metadata": {"binding": "VERSION"}"#,
    )
    .load();
    let limit = RateLimit {
        binding: "LIMIT".into(),
        namespace_id: "7".into(),
        limit: 5,
        period: 60,
    };
    assert_eq!(project.rate_limits, [limit]);
    let secret = StoredSecret {
        binding: "TOKEN".into(),
        store_id: "s".into(),
        secret_name: "n".into(),
    };
    assert_eq!(project.stored_secrets, [secret]);
    assert_eq!(project.version_metadata.as_deref(), Some("VERSION"));
}
